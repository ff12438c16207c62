"""Promises of the API's documentation in a browser: it is there under the policy of every page, and can be tried out."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import Organization, User
from apps.accounts.services import create_api_key
from apps.api.urls import api

pytestmark = pytest.mark.django_db(transaction=True)


def test_operations_are_listed_with_examples_and_tried_out_with_a_key(
    page: Page, live_server: Any, organization: Organization, owner: User
) -> None:
    secret = create_api_key(organization=organization, user=owner, name="docs")[1]
    page.goto(f"{live_server.url}/api/v1/docs")
    expect(page.locator(".opblock")).to_have_count(
        sum(len(each) for each in api.get_openapi_schema()["paths"].values())
    )
    page.get_by_role("button", name="Authorize").first.click()
    page.get_by_label("auth-bearer-value").fill(secret)
    page.get_by_role("button", name="Apply credentials").first.click()
    page.locator(".modal-ux .close-modal").click()
    operation = page.locator("#operations-Datasets-create_dataset")
    operation.locator(".opblock-summary-control").click()
    expect(operation.locator(".body-param__example")).to_contain_text("Street cameras")
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_placeholder("slug").fill(organization.slug)
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table .response-col_status").last).to_contain_text("201")
    assert organization.datasets.get().name == "Street cameras"
