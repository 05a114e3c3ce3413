"""The pages on which ops say how instances are placed: the cluster's profile, and those of groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.errors import Conflict, Invalid, invalid
from apps.groups.models import Group
from apps.groups.pages import group_context
from apps.groups.permissions import check_admin, get_group
from apps.panel.page import Action, Context, Page
from apps.placement import rebalancing, services, words
from apps.placement.forms import ProfileForm, RebalanceForm
from apps.placement.models import PlacementProfile, PriorityClass
from scheduler.placement.profiles import Profile


class ProfilePage(Page):
    """A profile in a form, which can be tried before it is set."""

    template: str

    def shown(self, **kwargs: Any) -> Context:
        """What the page shows besides; `group` and `profile` are in it. Raises `NotFound`, `Forbidden`."""
        raise NotImplementedError

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        context = self.shown(**kwargs)
        return self._show(context, ProfileForm(profile=context["profile"]))

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        context = self.shown(**kwargs)
        form = ProfileForm(request.POST, profile=context["profile"])
        if form.is_valid():
            try:
                profile = form.profile()
                if "try" in request.POST:
                    return self._show({**context, **self._tried(context["group"], profile)}, form)
                services.set_profile(request.user, context["group"], profile)
            except (Conflict, Invalid) as problem:
                form.refuse(problem)
            else:
                messages.success(request, _("The profile was changed. It holds for what is placed from now on."))
                return redirect(request.path)
        return self._show(context, form)

    def _tried(self, group: Group | None, profile: Profile) -> Context:
        trial = services.trial(group, profile)
        figures = [(name, trial["now"][name], trial["then"][name]) for name in trial["now"]]
        return {"trial": trial, "figures": figures}

    def _show(self, context: Mapping[str, Any], form: ProfileForm) -> HttpResponse:
        shown = {**context, "form": form, "presets": words.PRESETS.values()}
        return render(self.request, self.template, shown, status=422 if form.errors else 200)


class PlacementPage(ProfilePage):
    template = "placement/page.html"

    def shown(self, **kwargs: Any) -> Context:
        check_admin(self.request.user)
        own = PlacementProfile.objects.filter(group__isnull=False).select_related("group").order_by("group__name")
        classes = PriorityClass.objects.prefetch_related("groups").annotate(used=Count("apps"))
        return {
            "group": None,
            "profile": services.cluster_profile(),
            "own": list(own),
            "priorities": list(classes.order_by("-value", "name")),
            "rebalance": (policy := rebalancing.policy()),
            "policy": RebalanceForm(initial={"enabled": policy.enabled, "most": policy.most}),
            "under_way": rebalancing.under_way(),
            "moves": rebalancing.plan() if "moves" in self.request.GET else None,
        }


class Rebalance(Action):
    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        check_admin(request.user)
        rebalancing.begin(request.user)
        messages.success(request, _("What is better off elsewhere moves now."))
        return self.back()

    def back(self, **kwargs: Any) -> str:
        return reverse("placement") + "#rebalance"


class SetRebalancePolicy(Rebalance):
    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        check_admin(request.user)
        form = RebalanceForm(request.POST)
        if not form.is_valid():
            raise invalid("most", "invalid", _("Say how many may move at once, as a whole number."))
        rebalancing.set_policy(request.user, **form.cleaned_data)
        messages.success(request, _("The rebalancing was changed."))
        return self.back()


class GroupPlacementPage(ProfilePage):
    template = "placement/group.html"

    def shown(self, **kwargs: Any) -> Context:
        context = group_context(self.request.user, kwargs["group"])
        check_admin(self.request.user)
        found = services.profile_of(context["group"])
        return {**context, "profile": found.profile, "own": found.own}


class UnsetProfile(Action):
    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        group = get_group(request.user, kwargs["group"])
        check_admin(request.user)
        services.unset_profile(request.user, group)
        messages.success(request, _("The group is placed by the profile of the cluster again."))
        return self.back(**kwargs)

    def back(self, **kwargs: Any) -> str:
        return reverse("group-placement", args=[kwargs["group"]])
