"""The way in: a client, its organization, and what an organization holds."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, Union

import httpx

from winnow import profiles
from winnow.datasets import Dataset, Import
from winnow.errors import NotFound, WinnowError
from winnow.labelsets import Labelset
from winnow.projects import Project
from winnow.rows import Rows
from winnow.runs import Run
from winnow.transport import Transport

Tree = Sequence[Union[str, dict[str, Any]]]
Named = TypeVar("Named", Dataset, Labelset, Project)


class Client:
    """A connection to a server.

    `url` and `api_key` come from the arguments, else from WINNOW_URL and WINNOW_API_KEY, else from the default profile
    that `winnow login` wrote. A profile that is named goes before the environment.
    """

    def __init__(self, url: str | None = None, api_key: str | None = None, *, profile: str | None = None) -> None:
        is_named = profile is not None
        stored = profiles.read(profiles.DEFAULT if profile is None else profile)
        given = url or (None if is_named else os.environ.get("WINNOW_URL"))
        url = given or stored.get("url")
        # A key that was meant for one server is not shown to another: neither a stored one, nor the environment's.
        own = stored.get("api_key") if url == stored.get("url") else None
        env_key = os.environ.get("WINNOW_API_KEY") if given else None
        api_key = api_key or (own or env_key if is_named else env_key or own)
        if not url or not api_key:
            login = f"--profile {profile} login URL" if is_named else "login URL"
            environment = "" if is_named else " set WINNOW_URL and WINNOW_API_KEY,"
            raise WinnowError(f"No server or key: pass url and api_key,{environment} or run 'winnow {login}'.")
        if not url.startswith(("http://", "https://")):
            raise WinnowError(f"{url!r} is not the address of a server: begin it with https:// or http://.")
        if not (api_key.isascii() and api_key.isprintable()):
            raise WinnowError("The API key has characters that are in no key: copy it again, or make another one.")
        try:
            self.transport = Transport(url, api_key)
        except httpx.InvalidURL as error:
            raise WinnowError(f"{url!r} is not the address of a server: {error}.") from error

    def organizations(self) -> list[Organization]:
        return [Organization(self.transport, row) for row in self.transport.pages("organizations")]

    def organization(self, slug: str | None = None) -> Organization:
        """The organization by its slug, or the one that the key belongs to."""
        if slug is None:
            return self.organizations()[0]
        return Organization(self.transport, self.transport.get(f"organizations/{slug}"))

    def __repr__(self) -> str:
        return f"<winnow.Client {self.transport.http.base_url}>"


class Organization:
    """Datasets, taxonomies, labelsets and projects of one organization."""

    def __init__(self, transport: Transport, data: dict[str, Any]) -> None:
        self._transport = transport
        self.slug: str = data["slug"]
        self.name: str = data["name"]
        self.role: str = data["role"]
        self._path = f"organizations/{self.slug}"

    # Datasets

    def datasets(self) -> Iterator[Dataset]:
        return (Dataset(self._transport, self._path, row) for row in self._rows("datasets"))

    def dataset(self, name: str) -> Dataset:
        return self._named(name, self.datasets(), "dataset")

    def create_dataset(self, name: str, description: str = "") -> Dataset:
        body = {"name": name, "description": description}
        return Dataset(self._transport, self._path, self._transport.post(f"{self._path}/datasets", body))

    # Taxonomies

    def taxonomies(self) -> Rows:
        return Rows(self._transport, f"{self._path}/taxonomies")

    def create_taxonomy(self, name: str, categories: Tree, description: str = "") -> dict[str, Any]:
        """Make a taxonomy from class names, or from a tree of `{"name", "children"}`."""
        body = {"name": name, "description": description, "categories": [_node(each) for each in categories]}
        created: dict[str, Any] = self._transport.post(f"{self._path}/taxonomies", body)
        return created

    # Labelsets

    def labelsets(self) -> Iterator[Labelset]:
        return (Labelset(self._transport, self._path, row) for row in self._rows("labelsets"))

    def labelset(self, name: str) -> Labelset:
        return self._named(name, self.labelsets(), "labelset")

    def create_labelset(self, name: str, taxonomy: str, description: str = "") -> Labelset:
        body = {"name": name, "taxonomy": taxonomy, "description": description}
        return Labelset(self._transport, self._path, self._transport.post(f"{self._path}/labelsets", body))

    # Projects

    def projects(self) -> Iterator[Project]:
        return (Project(self._transport, self._path, row) for row in self._rows("projects"))

    def project(self, name: str) -> Project:
        return self._named(name, self.projects(), "project")

    def create_project(
        self,
        name: str,
        *,
        dataset: str | None = None,
        taxonomy: str | None = None,
        labelset: str | None = None,
        blueprint: str = "AutoLabel",
        stages: Sequence[dict[str, Any]] | None = None,
        description: str = "",
        instructions: str = "",
        wait: bool = True,
        progress: bool = True,
    ) -> Project:
        """Make a project from a blueprint, or from `stages`, the JSON form of a pipeline.

        What is named must be there: `create_dataset`, `create_taxonomy`, `create_labelset`.
        """
        body = {
            "name": name,
            "description": description,
            "instructions": instructions,
            "blueprint": blueprint,
            "dataset": dataset,
            "taxonomy": taxonomy,
            "labelset": labelset,
            "stages": None if stages is None else list(stages),
        }
        project = Project(self._transport, self._path, self._transport.post(f"{self._path}/projects", body))
        return project.wait(progress=progress) if wait else project

    # Members

    def members(self) -> Rows:
        return Rows(self._transport, f"{self._path}/members")

    def invite(self, email: str, role: str = "LABELER") -> dict[str, Any]:
        """Mail somebody a link that lets them join, as LABELER or ADMIN."""
        return dict(self._transport.post(f"{self._path}/invitations", {"email": email, "role": role}))

    # Storage methods and imports

    def storage_methods(self) -> Rows:
        return Rows(self._transport, f"{self._path}/storage-methods")

    def create_storage_method(self, name: str, provider: str = "AWS_S3", **where: str) -> dict[str, Any]:
        """A bucket (`bucket`, `region`, `endpoint`, `prefix`, `access_key`, `secret_key`), or PUBLIC for URLs."""
        body = {"name": name, "provider": provider, **where}
        return dict(self._transport.post(f"{self._path}/storage-methods", body))

    def validate_storage_method(self, id: int) -> dict[str, Any]:  # noqa: A002
        """Whether it works, and of each step what exactly failed."""
        return dict(self._transport.post(f"{self._path}/storage-methods/{id}/validate"))

    def imports(self) -> Iterator[Import]:
        return (Import(self._transport, self._path, row) for row in self._rows("imports"))

    def runs(self) -> Iterator[Run]:
        """Every long job, oldest first."""
        return (Run(self._transport, self._path, row) for row in self._rows("runs"))

    def _rows(self, kind: str) -> Iterator[dict[str, Any]]:
        return self._transport.pages(f"{self._path}/{kind}")

    def _named(self, name: str, rows: Iterator[Named], what: str) -> Named:
        for row in rows:
            if row.name == name:
                return row
        raise NotFound(404, "not_found", f"There is no {what} named {name!r} in {self.slug}.", [])

    def __repr__(self) -> str:
        return f"<winnow.Organization {self.slug}>"


def _node(each: str | dict[str, Any]) -> dict[str, Any]:
    return {"name": each} if isinstance(each, str) else each
