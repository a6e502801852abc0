"""Ensembles of neural learners, trained independently, jointly or in between."""
