"""Every message comes twice, and nothing is done twice."""

from pathlib import Path

from tests.faults.kit import truth
from tests.faults.kit.corpus import mixed_files
from tests.faults.kit.ground import MANY_PARTS, SHORT, ground
from tests.faults.kit.load import client_of, upload
from tests.faults.kit.twice import doubling
from tests.support.valkey import start_valkey

ONCE = "once"
FILES = 60
ENDS_WITHIN_S = 120.0


def test_messages_delivered_twice_leave_the_same_rows_points_and_cost(
    seed: int, tmp_path: Path
) -> None:
    files = mixed_files(tmp_path / "files", FILES, seed)
    (tmp_path / "valkey").mkdir()
    with start_valkey(tmp_path / "valkey") as url, doubling(url) as wire:
        settings = SHORT | MANY_PARTS | {"CITEWELL_REDIS_URL": wire.url}
        with ground(tmp_path / "stack", settings, delay_s=0.05) as field:
            stack, paid = field.stack, []
            for tenant, twice in ((ONCE, False), (truth.TENANT, True)):
                wire.twice = twice
                before = field.provider.counts().inputs
                with client_of(stack, stack.key_of(tenant)) as client:
                    upload(client, files)
                    truth.wait_until_ended(stack, within_s=ENDS_WITHIN_S, tenant=tenant)
                    truth.check_doctor(client)
                paid.append(field.provider.counts().inputs - before)
            print(f"{wire.doubled} messages came twice")
            assert wire.doubled > 1
            assert truth.outcomes(stack) == truth.outcomes(stack, ONCE)
            assert paid == [truth.live_texts(stack, ONCE), truth.live_texts(stack)]
            truth.check_rows(stack)
            truth.check_points(stack)
