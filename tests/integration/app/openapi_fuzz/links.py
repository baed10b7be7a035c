"""Which answers other requests are made of, in OpenAPI's words: jobs are looked at and taken back.

https://spec.openapis.org/oas/v3.1.0#link-object
"""

from typing import Any

ID = "$response.body#/id"
NAME = "$response.body#/file_name"

Operation = dict[str, Any]


def link(paths: dict[str, dict[str, Operation]]) -> None:
    """Add links to what a document describes; the admin's document or a user's."""
    check_any = {**_to(paths["/check/{job_id}"]["get"]), "parameters": {"job_id": ID}}
    revoke = {**_to(paths["/revoke"]["post"]), "requestBody": {"result_id": ID}}
    for path, methods in paths.items():
        if path.startswith(("/run/", "/create/")):
            task = path.rpartition("/")[2]
            check = {**_to(paths[f"/check/{task}"]["get"]), "parameters": {"result_id": ID}}
            _add(methods["post"], {"check": check, "checkAny": check_any, "revoke": revoke})
    download = {**_to(paths["/download"]["get"]), "parameters": {"file_name": NAME}}
    _add(paths["/upload"]["post"], {"download": download})


def _to(operation: Operation) -> dict[str, str]:
    return {"operationId": operation["operationId"]}


def _add(operation: Operation, links: dict[str, Any]) -> None:
    operation["responses"]["200"]["links"] = links
