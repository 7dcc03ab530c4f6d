"""What one trial does: data, networks, input mixing, targets, regularizers, the training loop."""
