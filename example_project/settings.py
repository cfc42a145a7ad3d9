"""Settings of the example project: SQLite in the checkout, or the database that ``DATABASE_URL`` names."""

import os
from pathlib import Path

import django

from example_project.database import database_from_url, sqlite

BASE_DIR = Path(__file__).resolve().parent.parent

# For this example on a developer's own machine only. A real project reads its key from the environment.
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "development-only-not-a-secret-0123456789abcdefghijklmnop")
DEBUG = os.environ.get("DJANGO_DEBUG", "1") == "1"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", "testserver"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "django_q",
    "django_workflows",
    "example_project.weather",
    "example_project.live",
    "example_project.onboarding",
    "example_project.approvals",
    "example_project.series",
    "example_project.countries",
    "example_project.jobs",
    "example_project.follow",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "example_project.csp.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "example_project.urls"
WSGI_APPLICATION = "example_project.wsgi.application"
ASGI_APPLICATION = "example_project.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASE_URL = os.environ.get("DATABASE_URL", "")
DATABASES = {"default": database_from_url(DATABASE_URL) if DATABASE_URL else sqlite(BASE_DIR / "db.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "admin:login"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
STATIC_URL = "static/"

Q_CLUSTER = {
    "name": "example",
    "orm": "default",
    "broker_class": "django_workflows.q2.JournalBroker",  # starts and timers are picked up in milliseconds
    "workers": 4,
    "timeout": 60,  # seconds a task may take ...
    "retry": 90,  # ... and after which an unacknowledged one runs again: always the larger of the two
    "max_attempts": 5,  # of an ordinary django-q2 task; workflows count their own
    "save_limit": 100,
    "label": "Django Q2",
}

# Where the steps find the weather service. The example site serves it itself, so by default it is this site.
WEATHER_SERVICE_URL = os.environ.get("WEATHER_SERVICE_URL", "http://127.0.0.1:8000/service/")
# About one request in so many is answered with 503, so that retries can be seen; 0 switches that off.
WEATHER_SERVICE_FAIL_EVERY = int(os.environ.get("WEATHER_SERVICE_FAIL_EVERY", "8"))

# The address of this site, for links in mails.
SITE_URL = os.environ.get("SITE_URL", "http://127.0.0.1:8000/")
# Mails are written to the standard output of whoever sends them, here the cluster; or to files, in MAIL_FOLDER.
MAIL_FOLDER = os.environ.get("MAIL_FOLDER")
_mail_backend = f"django.core.mail.backends.{'filebased' if MAIL_FOLDER else 'console'}.EmailBackend"
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": _mail_backend, "OPTIONS": {"file_path": MAIL_FOLDER} if MAIL_FOLDER else {}}}
else:
    EMAIL_BACKEND, EMAIL_FILE_PATH = _mail_backend, MAIL_FOLDER
DEFAULT_FROM_EMAIL = "Example <example@localhost>"

# How long the long jobs rest after each piece of work, in seconds: without that they would be over too soon to watch.
JOBS_PAUSE = float(os.environ.get("JOBS_PAUSE", "0.05"))

LOG_LEVEL = os.environ.get("LOG_LEVEL", "INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "django": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "django-q": {"level": LOG_LEVEL},
        "django_workflows": {"level": LOG_LEVEL},
        "example_project": {"level": LOG_LEVEL},
    },
}
