"""The search, in Optuna: which configuration is next, and how each did."""
