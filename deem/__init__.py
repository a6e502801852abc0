"""Consensus without ground truth, by energy-based models."""
