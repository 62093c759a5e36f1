"""How many suspects are tried at once."""

from worker.settlement import Quarantine


def test_so_many_suspects_are_tried_at_once_and_others_do_not_count() -> None:
    quarantine = Quarantine(2)
    for suspect in (True, False, True):
        assert not quarantine.are_full
        quarantine.begin(suspect)
    assert quarantine.are_full

    quarantine.end(False)
    assert quarantine.are_full
    quarantine.end(True)
    assert not quarantine.are_full
