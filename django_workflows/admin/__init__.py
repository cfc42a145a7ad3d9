"""The admin: see at a glance what workflows do and why they wait, and act on them."""

from django.contrib import admin

from ..models import Pool, Worker, Workflow
from .pools import PoolAdmin
from .workers import WorkerAdmin
from .workflows import WorkflowAdmin

admin.site.register(Workflow, WorkflowAdmin)
admin.site.register(Pool, PoolAdmin)
admin.site.register(Worker, WorkerAdmin)
