"""The web server's way in: `granian --interface wsgi paycore.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "paycore.settings")
application = get_wsgi_application()
