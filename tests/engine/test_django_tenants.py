"""The recipe for django-tenants in the documentation, with django-tenants itself, and a real cluster.

Its database backend takes the place of Django's, so it is a project of its own, with a database of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks_of
from tests.postgres import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.cluster]

FILES = {
    "settings.py": """
import os

from tests.postgres import connection_settings

SECRET_KEY = "only for tests"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SHARED_APPS = [
    "django_tenants", "customers", "django.contrib.contenttypes", "django.contrib.auth", "django_q", "django_workflows",
]
TENANT_APPS = ["shop"]
INSTALLED_APPS = [*SHARED_APPS, *TENANT_APPS]
DATABASES = {
    "default": {
        **connection_settings(os.environ["DATABASE_URL"]),
        "ENGINE": "django_tenants.postgresql_backend",
        "CONN_MAX_AGE": None,
    }
}
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
TENANT_MODEL = "customers.Client"
TENANT_DOMAIN_MODEL = "customers.Domain"
Q_CLUSTER = {"name": "tenants", "orm": "default", "workers": 2, "timeout": 60, "retry": 120}
Q_CLUSTER["broker_class"] = "django_workflows.q2.JournalBroker"
DJANGO_WORKFLOWS = {"CONTEXT": ["shop.schemas.SchemaContext"]}
""",
    "customers/models.py": """
from django.db import models
from django_tenants.models import DomainMixin, TenantMixin


class Client(TenantMixin):
    name = models.CharField(max_length=100)
    auto_create_schema = True


class Domain(DomainMixin):
    pass
""",
    "shop/models.py": """
from django.db import models


class Order(models.Model):
    text = models.CharField(max_length=100)
""",
    "shop/workflows.py": """
from django.db import connection

from django_workflows import WorkflowContext, WorkflowManager
from shop.models import Order

workflow = WorkflowManager()


def order(text: str) -> str:
    Order.objects.create(text=text)
    return connection.schema_name


def texts() -> list[str]:
    return sorted(Order.objects.values_list("text", flat=True))


@workflow.define
async def orders(step: WorkflowContext, key: str) -> list[str]:
    schemas = [await step.run_mutation(order, f"{key} mutation"), await step.run_action(order, f"{key} action")]
    schemas.append(await step.with_options(inline=True).run_mutation(order, f"{key} inline"))
    await step.run_query(texts)
    return schemas
""",
    "play.py": """
import json
import subprocess
import sys

import django

django.setup()

from django.core.management import call_command
from django.db import connection
from django_tenants.utils import schema_context

call_command("makemigrations", "customers", "shop", verbosity=0)
call_command("migrate_schemas", schema_name="public", interactive=False, verbosity=0)

from customers.models import Client
from shop.workflows import orders, texts, workflow

ids = {}
for name in ("acme", "umbrella"):
    Client(schema_name=name, name=name).save(verbosity=0)
cluster = subprocess.Popen([sys.executable, "-m", "django", "workflows", "cluster"], stdout=subprocess.DEVNULL)
try:
    for number in range(5):
        for name in ("acme", "umbrella"):
            with schema_context(name):
                ids[orders.start(str(number))] = name
    results = [[name, workflow.result(workflow_id, timeout=60)] for workflow_id, name in ids.items()]
finally:
    cluster.terminate()
    cluster.wait(30)
found = {"results": results, "after": connection.schema_name}
for name in ("acme", "umbrella"):
    with schema_context(name):
        found[name] = texts()
print(json.dumps(found))
""",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A new project whose tenants are schemas, with the file that the page shows."""
    (recipe,) = [block for block in blocks_of(ROOT / "docs/how-to/context.md") if block.file == "shop/schemas.py"]
    for name, text in {**FILES, recipe.file: recipe.code}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.lstrip(), encoding="utf-8")
    for app in ("customers", "shop"):
        (tmp_path / app / "migrations").mkdir()
        for folder in (app, f"{app}/migrations"):
            (tmp_path / folder / "__init__.py").touch()
    return tmp_path


def test_each_tenants_steps_work_in_its_schema(project: Path) -> None:
    with PostgresServer() as server:
        done = subprocess.run(
            [sys.executable, "play.py"],
            cwd=project,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(project), str(ROOT)]),
                "DJANGO_SETTINGS_MODULE": "settings",
                "DATABASE_URL": server.dsn,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["results"] == [[name, [name] * 3] for name, _ in found["results"]]
    wanted = sorted(f"{number} {kind}" for number in range(5) for kind in ("mutation", "action", "inline"))
    assert found["acme"] == found["umbrella"] == wanted
    assert found["after"] == "public"
