"""How a trained network errs on test images that are not as it knows them: its robustness.

Nothing here is part of a trial: it takes the weights that a trial has kept.
"""

from trainables.robustness.scoring import RobustnessError, RobustnessScore, score_network

__all__ = ["RobustnessError", "RobustnessScore", "score_network"]
