"""manage.py import_folder: a folder of images, with or without a COCO file, into a dataset."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from apps.accounts.models import Organization
from apps.taxonomies import services as taxonomies
from apps.taxonomies.models import Taxonomy
from apps.taxonomies.trees import TreeErrors
from apps.warehouse import services
from apps.warehouse.folders import FolderReport, Labels, import_folder
from apps.warehouse.formats import FormatError, coco


class Command(BaseCommand):
    help = "Import a folder of images into a dataset, with the boxes of a COCO file into a labelset."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR")
        parser.add_argument("--dataset", required=True, help="name of the dataset; made if it is not there")
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--coco", type=Path, metavar="FILE", help="COCO file with boxes, by file_name under DIR")
        parser.add_argument("--labelset", help="name of the labelset for the boxes; made if it is not there")
        parser.add_argument("--taxonomy", help="name of the taxonomy; made of the COCO categories if it is not there")

    def handle(self, *args: Any, **options: Any) -> None:
        organization = Organization.objects.filter(slug=options["organization"]).first()
        if organization is None:
            raise CommandError(f"There is no organization {options['organization']}.")
        if not options["folder"].is_dir():
            raise CommandError(f"{options['folder']} is not a folder.")
        labels = self._labels(organization, options) if options["coco"] else None
        dataset = organization.datasets.filter(name=options["dataset"]).first()
        if dataset is None:
            dataset = services.create_dataset(organization=organization, name=options["dataset"])
        with tqdm(unit="image", disable=None) as bar:

            def show(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            report = import_folder(dataset=dataset, folder=options["folder"], labels=labels, progress=show)
        self._tell(report)

    def _labels(self, organization: Organization, options: dict[str, Any]) -> Labels:
        name = options["labelset"] or f"{options['dataset']} labels"
        try:
            file = coco.read(options["coco"])
            labelset = organization.labelsets.select_related("taxonomy").filter(name=name).first()
            if labelset is None:
                taxonomy = self._taxonomy(organization, options["taxonomy"] or options["dataset"], file)
                labelset = services.create_labelset(organization=organization, name=name, taxonomy=taxonomy)
        except (FormatError, TreeErrors, ValidationError) as error:
            raise CommandError(str(error)) from error
        return Labels(file, labelset)

    def _taxonomy(self, organization: Organization, name: str, file: coco.CocoFile) -> Taxonomy:
        newest: Taxonomy | None = organization.taxonomies.filter(name=name).order_by("-version").first()
        return newest or taxonomies.create(organization=organization, name=name, tree=file.tree())

    def _tell(self, report: FolderReport) -> None:
        for problem in report.problems:
            print(f"{problem.name}: {problem.reason}", file=sys.stderr)
        print(f"{report.created} datapoints, {report.labeled} labeled with {report.boxes} boxes", end="")
        print(f", {len(report.problems)} problems." if report.problems else ".")
