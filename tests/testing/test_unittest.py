"""The kit in Django's own test cases."""
# ruff: noqa: PT009 - as users of unittest write it

from datetime import timedelta
from unittest.mock import call

from django.test import SimpleTestCase, TestCase, TransactionTestCase

from django_workflows import Completed, InProgress
from django_workflows.signals import workflow_completed
from django_workflows.testing import WorkflowTester
from tests.testing.shop import (
    long_chain,
    onboarding,
    saved_keys,
    send_email,
    start_in_view,
    two_timers,
    verified,
    workflow,
)


class OnboardingTests(TestCase):
    def setUp(self):
        self.workflows = self.enterContext(WorkflowTester())
        self.workflows.fake(send_email, returns="sent")

    def test_onboarding(self):
        workflow_id = onboarding.start(user_id=1)
        self.workflows.run()
        self.assertEqual(workflow.status(workflow_id), InProgress(running=["verificationEmail"]))
        workflow.send_event(workflow_id, verified, {"ok": True})
        self.workflows.advance(timedelta(days=1))
        self.assertEqual(workflow.status(workflow_id), Completed(None))
        self.assertEqual(self.workflows.calls(send_email), [call(1)])
        self.assertEqual(saved_keys(), ["follow-up 1"])

    def test_what_a_view_does_on_commit(self):
        with self.captureOnCommitCallbacks(execute=True):
            start_in_view(7)
        self.workflows.run()
        self.assertEqual(self.workflows.calls(send_email), [call(7)])

    def test_signals_are_sent_with_the_callbacks(self):
        ended = []

        def receive(name, **values):
            ended.append(name)

        workflow_completed.connect(receive)
        self.addCleanup(workflow_completed.disconnect, receive)
        long_chain.start(3)
        self.workflows.run()
        self.assertEqual(ended, [])
        with self.captureOnCommitCallbacks(execute=True):
            long_chain.start(3)
            self.workflows.run()
        self.assertEqual(ended, [long_chain.name])

    async def test_async(self):
        workflow_id = await onboarding.astart(1)
        await self.workflows.arun()
        self.assertEqual(await workflow.astatus(workflow_id), InProgress(running=["verificationEmail"]))
        await workflow.asend_event(workflow_id, verified, {"ok": True})
        await self.workflows.aadvance(timedelta(days=1))
        self.assertEqual(await workflow.astatus(workflow_id), Completed(None))


class ClassDataTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.workflow_id = two_timers.start()

    def test_what_was_started_for_the_class(self):
        with WorkflowTester() as workflows:
            workflows.advance(timedelta(hours=2))
            assert workflow.status(self.workflow_id).type == "completed"

    def test_again(self):
        self.test_what_was_started_for_the_class()


class CommittingTests(TransactionTestCase):
    def setUp(self):
        self.workflows = WorkflowTester()
        self.workflows.__enter__()
        self.addCleanup(self.workflows.__exit__)

    def test_it_works_without_a_transaction_too(self):
        ended = []

        def receive(name, **values):
            ended.append(name)

        workflow_completed.connect(receive)
        self.addCleanup(workflow_completed.disconnect, receive)
        workflow_id = two_timers.start()
        self.workflows.advance(timedelta(hours=3))
        self.assertEqual(workflow.status(workflow_id).type, "completed")
        self.assertEqual(ended, [two_timers.name])


class WithoutDatabaseTests(SimpleTestCase):
    def test_entering_it_asks_nothing_of_the_database(self):
        with WorkflowTester() as workflows:
            workflows.fake(send_email, returns="sent")
            self.assertEqual(workflows.calls(send_email), [])
