"""What everything else stands on: data, votes, history, models, samplers, solvers, training."""
