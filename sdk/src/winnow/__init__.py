"""Python client of Winnow: label only what the model is unsure of.

import winnow

organization = winnow.Client("https://winnow.example", "KEY").organization("acme")
organization.labelset("cells").export("coco", to="labels")
"""

from winnow.client import Client, Organization
from winnow.datasets import Dataset, Import, Upload
from winnow.errors import Conflict, Forbidden, Invalid, NotFound, RunFailed, ServerError, Unauthorized, WinnowError
from winnow.labelsets import Labelset
from winnow.learning import ExternalLearning
from winnow.projects import ActiveLearning, Project
from winnow.runs import Run

__all__ = [
    "ActiveLearning",
    "Client",
    "Conflict",
    "Dataset",
    "ExternalLearning",
    "Forbidden",
    "Import",
    "Invalid",
    "Labelset",
    "NotFound",
    "Organization",
    "Project",
    "Run",
    "RunFailed",
    "ServerError",
    "Unauthorized",
    "Upload",
    "WinnowError",
]
__version__ = "0.1.0"
