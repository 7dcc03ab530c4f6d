"""When a configuration is stopped early: which of its seeds a rung is judged by.

The rule itself (ASHA, median, HyperBand) is the search's; this module says what the rule is shown.
"""

import statistics

from study.scheduling.protocols import SearchLike
from study.trials import ConfigurationTrials
from trainables.metrics import course_metric


def is_to_stop(configuration: ConfigurationTrials, search: SearchLike, objective: str) -> bool:
    """Report the means that are new to the search; return whether it stops the configuration.

    An epoch is reported once every seed that has begun has reached it. The last epoch is not
    reported: what is trained to its end is judged by its result.

    Args:
        configuration: whose trials are under way.
        search: is shown the means.
        objective: the study's; what epochs measure of it is what early stopping goes by.
    """
    begun = [trial for trial in configuration.trials if trial.history]
    if not begun:  # its first epoch is longer than the time between two results
        return False
    course = course_metric(objective)
    reached = min(len(trial.history) for trial in begun)
    last = max(trial.epochs for trial in begun)
    while configuration.reported < min(reached, last - 1):
        configuration.reported += 1
        values = [getattr(trial.history[configuration.reported - 1], course) for trial in begun]
        if None in values:  # an older version trained this epoch
            continue
        mean = statistics.fmean(values)
        if search.report(configuration.number, configuration.reported, mean):
            return True
    return False
