"""Regularizers of my own for LaMix studies."""
