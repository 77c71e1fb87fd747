"""A Django site with django-post_office, run by the Python of its own virtual environment.

One JSON object comes on stdin and one goes out on stdout. Nothing of Muster's is imported here.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command


def main(job: dict[str, Any]) -> dict[str, float]:
    """Queue the mails, then send them as the command `send_queued_mail` does; both are timed."""
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "post_office"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql", "NAME": job["database"], "USER": "muster_owner",
                "HOST": job["host"], "CONN_MAX_AGE": None,
            }
        },
        EMAIL_BACKEND="post_office.EmailBackend",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=job["port"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        POST_OFFICE={
            "BATCH_SIZE": job["batch"],
            "THREADS_PER_PROCESS": job["threads"],
            "MESSAGE_ID_ENABLED": True,
            "MESSAGE_ID_FQDN": "union.example.org",
        },
    )  # fmt: skip
    django.setup()
    call_command("migrate", verbosity=0)
    from post_office import mail
    from post_office.models import STATUS, Email, EmailTemplate

    Email.objects.all().delete()
    template, _ = EmailTemplate.objects.update_or_create(
        name="reminder",
        defaults={"subject": job["subject"], "content": job["text"], "html_content": job["html"]},
    )
    began = time.perf_counter()
    mail.send_many([_mail(job, template, n) for n in range(job["mails"])])
    queued = time.perf_counter()
    with django.db.connection.cursor() as cursor:
        cursor.execute("vacuum analyze post_office_email")
    ready = time.perf_counter()
    mail.send_queued_mail_until_done(job["lock"], job["processes"])
    seconds = time.perf_counter() - ready
    return {
        "queueing": queued - began,
        "sending": seconds,
        "sent": Email.objects.filter(status=STATUS.sent).count(),
    }


def _mail(job: dict[str, Any], template: Any, n: int) -> dict[str, Any]:
    token = f"{n:022d}"
    unsubscribe = f"{job['url']}/u/{token}"
    return {
        "sender": job["sender"],
        "recipients": f"m{n:08d}@mail.example.org",
        "template": template,
        "context": {"first_name": "Amina", "confirm_link": f"{job['url']}/{token}", "unsubscribe_link": unsubscribe},
        "headers": {**job["headers"], "List-Unsubscribe": f"<{unsubscribe}>"},
        "render_on_delivery": job["late"],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.load(sys.stdin))))
