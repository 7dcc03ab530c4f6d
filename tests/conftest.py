"""Shared by all tests."""

import torch

# One thread: the machine's cores belong to the trials that the tests start.
torch.set_num_threads(1)
