"""Python client of Winnow: label only what the model is unsure of.

import winnow

organization = winnow.Client("https://winnow.example", "KEY").organization("acme")
organization.labelset("cells").export("coco", to="labels")
"""

from winnow.client import Client, Organization
from winnow.errors import Conflict, Forbidden, Invalid, NotFound, RunFailed, ServerError, Unauthorized, WinnowError

__all__ = [
    "Client",
    "Conflict",
    "Forbidden",
    "Invalid",
    "NotFound",
    "Organization",
    "RunFailed",
    "ServerError",
    "Unauthorized",
    "WinnowError",
]
__version__ = "0.1.0"
