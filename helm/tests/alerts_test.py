"""When each alert is raised, and when none is, by Prometheus' own promtool where it is installed."""

import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from monitoring_test import rules

CALLS = "perennial_request_duration_seconds"
CHARGE = 'component="wallet", method="perennial.wallet.v1.PaymentService/Charge"'
SWEEP = 'component="wallet", method="perennial.wallet.internal.v1.SweepService/ExpireHolds"'

# A suite of which everything is well, minute by minute. In promtool's words `a+bxn` begins with a and grows by b n times.
WELL = {
    'up{component="wallet", pod="w-0"}': "1x1500",
    'up{component="wallet", pod="w-1"}': "0x1500",
    'up{component="renewal", pod="r-0"}': "1x1500",
    f'{CALLS}_count{{{CHARGE}, code="OK"}}': "0+1000x1500",
    f'{CALLS}_count{{{CHARGE}, code="NOT_FOUND"}}': "0+1000x1500",
    f'{CALLS}_count{{{CHARGE}, code="INTERNAL"}}': "0+10x1500",
    f'{CALLS}_bucket{{{CHARGE}, code="OK", le="5.0"}}': "0+1000x1500",
    f'{CALLS}_bucket{{{CHARGE}, code="OK", le="30.0"}}': "0+1005x1500",
    f'{CALLS}_bucket{{{CHARGE}, code="OK", le="+Inf"}}': "0+1005x1500",
    f'{CALLS}_bucket{{{SWEEP}, code="OK", le="5.0"}}': "0x1500",
    f'{CALLS}_bucket{{{SWEEP}, code="OK", le="30.0"}}': "0+6x1500",
    f'{CALLS}_bucket{{{SWEEP}, code="OK", le="+Inf"}}': "0+6x1500",
    'perennial_schedule_lag_seconds{component="scheduler", schedule="renew"}': "899x1500",
    'perennial_renewals_undecided_total{component="renewal", pod="r-0"}': "5x1500",
    'perennial_renewals_decided_total{component="renewal", outcome="MISSED"}': "3x1500",
    'perennial_renewals_decided_total{component="renewal", outcome="RENEWED"}': "0+100x1500",
    'perennial_orders_oldest_seconds{component="renewal", state="PENDING_PAYMENT"}': "86400x1500",
    'perennial_orders_oldest_seconds{component="renewal", state="PAYING"}': "3600x1500",
    # Many are refunded, but never for an hour on end.
    'perennial_orders{component="renewal", state="REFUNDING"}': "1x57 0x0 1x57 0x0 1x15",
    'perennial_deliveries_late{component="renewal"}': "0x1500",
    'perennial_database_connections{component="wallet", pod="w-0", state="idle"}': "1x1500",
    'perennial_database_connections{component="wallet", pod="w-0", state="used"}': "0x1500",
    'perennial_certificate_expiry_seconds{component="wallet", pod="w-0"}': "1209600x1500",
    'kube_job_failed{job_name="perennial-audit-29000000", condition="true"}': "0x1500",
    'kube_job_failed{job_name="perennial-migration", condition="true"}': "1x1500",
}

# What is wrong, in place of what is well; a minute at which it is not told yet, and one at which it is; and of what.
WRONG = [
    ("PerennialDown", {'up{component="wallet", pod="w-0"}': "1x60 0x60"}, (62, 64), {"component": "wallet"}),
    # Its pods are no more, so nobody asks them.
    ("PerennialDown", {'up{component="renewal", pod="r-0"}': "1x60 _x60"}, (66, 69), {"component": "renewal"}),
    ("PerennialErrors", {f'{CALLS}_count{{{CHARGE}, code="INTERNAL"}}': "0+10x60 660+100x60"}, (65, 75), {"component": "wallet", "method": "perennial.wallet.v1.PaymentService/Charge"}),
    ("PerennialErrors", {f'{CALLS}_count{{{CHARGE}, code="UNAVAILABLE"}}': "_x60 0+100x60"}, (65, 75), {"component": "wallet", "method": "perennial.wallet.v1.PaymentService/Charge"}),
    (
        "PerennialSlow",
        {f'{CALLS}_bucket{{{CHARGE}, code="OK", le="{le}"}}': "0+1005x60 60300+1100x60" for le in ("30.0", "+Inf")},
        (70, 85),
        {"component": "wallet", "method": "perennial.wallet.v1.PaymentService/Charge"},
    ),
    ("PerennialSweepLate", {'perennial_schedule_lag_seconds{component="scheduler", schedule="renew"}': "0x60 900+60x60"}, (64, 68), {"schedule": "renew"}),
    ("PerennialUndecided", {'perennial_renewals_undecided_total{component="renewal", pod="r-0"}': "5x60 6+1x60"}, (85, 95), {}),
    ("PerennialRenewalMissed", {'perennial_renewals_decided_total{component="renewal", outcome="MISSED"}': "3x120 4x60"}, (120, 121), {}),
    ("PerennialRenewalMissed", {'perennial_renewals_decided_total{component="renewal", outcome="MISSED"}': "_x120 1x60"}, (119, 121), {}),
    ("PerennialAuditFailed", {'kube_job_failed{job_name="perennial-audit-29000000", condition="true"}': "0x60 1x60"}, (60, 62), {}),
    ("PerennialOrdersStuck", {'perennial_orders_oldest_seconds{component="renewal", state="PAYING"}': "0x60 3601+60x60"}, (70, 78), {"state": "PAYING"}),
    ("PerennialOrdersStuck", {'perennial_orders{component="renewal", state="REFUNDING"}': "0x60 2x120"}, (130, 140), {"state": "REFUNDING"}),
    ("PerennialDeliveriesLate", {'perennial_deliveries_late{component="renewal"}': "0x60 2x60"}, (65, 72), {}),
    ("PerennialDatabaseBusy", {'perennial_database_connections{component="wallet", pod="w-0", state="idle"}': "1x60 0x60"}, (65, 72), {"component": "wallet", "pod": "w-0"}),
    ("PerennialCertificateExpires", {'perennial_certificate_expiry_seconds{component="wallet", pod="w-0"}': "1209600x60 1209599-60x90"}, (100, 122), {"component": "wallet"}),
]


def case(series, raised):
    """A case of promtool: of these series, an alert has so much raised at a minute."""
    ours = 'namespace="billing", release="perennial", '
    given = [{"series": series.replace("{", "{" + ours), "values": values} for series, values in series.items()]
    checks = [{"alertname": name, "eval_time": f"{minute}m", "exp_alerts": alerts} for name, minute, alerts in raised]
    return {"interval": "1m", "input_series": given, "alert_rule_test": checks}


def severity(name):
    [found] = [rule["labels"]["severity"] for rule in rules() if rule["alert"] == name]
    return found


@unittest.skipUnless(shutil.which("promtool"), "promtool, of Debian's package prometheus, is not installed")
class Alerts(unittest.TestCase):
    def promtool(self, *words, **files):
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                (pathlib.Path(folder) / f"{name}.yaml").write_text(json.dumps(content))
            done = subprocess.run(["promtool", *words], cwd=folder, capture_output=True, text=True)
            self.assertEqual(0, done.returncode, done.stdout + done.stderr)

    def tried(self, case):
        # What they say is left out: only when they are raised, and of what, counts here.
        bare = [{key: value for key, value in rule.items() if key != "annotations"} for rule in rules()]
        groups = {"groups": [{"name": "perennial", "rules": bare}]}
        self.promtool("test", "rules", "cases.yaml", rules=groups, cases={"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [case]})

    def test_rules_are_well_formed(self):
        self.promtool("check", "rules", "rules.yaml", rules={"groups": [{"name": "perennial", "rules": rules()}]})

    def test_nothing_is_raised_where_all_is_well(self):
        self.tried(case(WELL, [(rule["alert"], minute, []) for rule in rules() for minute in (61, 130, 1499)]))

    def test_what_is_wrong_is_raised_in_time_and_nothing_else(self):
        self.assertEqual({rule["alert"] for rule in rules()}, {name for name, *_ in WRONG})
        for name, series, (early, late), labels in WRONG:
            with self.subTest(alert=name, series=list(series)):
                raised = [{"exp_labels": {"severity": severity(name), **labels}}]
                others = [(rule["alert"], late, []) for rule in rules() if rule["alert"] != name]
                self.tried(case({**WELL, **series}, [(name, early, []), (name, late, raised), *others]))

    def test_a_suite_that_nobody_asks_is_down(self):
        raised = [{"exp_labels": {"severity": "critical", "namespace": "billing", "release": "perennial"}}]
        self.tried(case({"nothing{}": "1x10"}, [("PerennialDown", 1, []), ("PerennialDown", 5, raised)]))
