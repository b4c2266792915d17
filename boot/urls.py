"""The site's addresses. /healthz and /readyz are not here: `apps.ops.middleware` answers them first."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("apps.accounts.urls")),
    path("", include("apps.uploads.urls")),  # sample
]
