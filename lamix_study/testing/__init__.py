"""The contracts of regularizers, networks and data sets as tests that any component joins.

A test class derives from a contract and names the settings that it is held to::

    from lamix_study.testing import RegularizerContract

    class TestInputNoise(RegularizerContract):
        settings = [{"name": "input_noise"}, {"name": "input_noise", "sigma": 0.5}]
"""

from lamix_study.testing.datasets import DatasetContract
from lamix_study.testing.networks import NetworkContract
from lamix_study.testing.regularizers import RegularizerContract

__all__ = ["DatasetContract", "NetworkContract", "RegularizerContract"]
