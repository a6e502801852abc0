"""Choosing a model and its hyperparameters without labels."""
