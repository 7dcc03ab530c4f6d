"""What a trial may leave of its insides beside its metrics, for the paper's Figs. 2, 3, 7 and 8.

Recorded only when asked for, and without a trace in the training: the metrics of a trial are
bitwise the same with and without. Each kind becomes one file of named arrays, as described in
`analysis.diagnostics`, which reads them.
"""

from trainables.diagnostics._settings import DiagnosticsSettings
from trainables.diagnostics._subject import TrialSubject
from trainables.diagnostics.recording import TrialDiagnostics

__all__ = ["DiagnosticsSettings", "TrialDiagnostics", "TrialSubject"]
