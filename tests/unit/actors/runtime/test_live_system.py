"""What only threads can do wrong."""

import threading

from actors.runtime import Actor


class Counter(Actor):
    """Counts, and notices when it is run twice at a time."""

    def __init__(self):
        super().__init__()
        self.inside = self.total = self.overlaps = 0

    def on_receive(self, message):
        if message == "total":
            return self.total, self.overlaps
        self.inside += 1
        self.overlaps += self.inside != 1
        self.total += 1
        self.inside -= 1
        return None


class Loner(Counter):
    """Counts on a thread of its own."""

    own_thread = True


def flood(refs, tells, threads=4):
    def tell():
        for number in range(tells):
            refs[number % len(refs)].tell(number)

    senders = [threading.Thread(target=tell) for _ in range(threads)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()


def test_an_actor_runs_on_one_thread_at_a_time_and_misses_nothing(live):
    refs = [live.system.spawn(Counter) for _ in range(8)]

    flood(refs, 2000)
    answers = [ref.ask("total", timeout=5) for ref in refs]

    assert sum(total for total, _ in answers) == 8000
    assert not any(overlaps for _, overlaps in answers)


def test_tells_that_race_with_a_stop_are_read_or_counted(live):
    read = []

    class Quitter(Actor):
        def on_receive(self, message):
            read.append(message)

    refs = [live.system.spawn(Quitter) for _ in range(20)]
    stoppers = [threading.Thread(target=ref.stop) for ref in refs]

    for stopper in stoppers:
        stopper.start()
    flood(refs, 500)
    for stopper in stoppers:
        stopper.join()
    for ref in refs:
        ref.stop(timeout=5)

    assert len(read) + live.system.stats().dead_letters == 2000


def test_tells_that_race_with_crashes_are_all_read(live, fast):
    handled = []

    class Fragile(Actor):
        redeliver = 100

        def on_receive(self, message):
            if message % 100 == 0 and message not in handled:
                handled.append(message)
                raise ValueError
            live.log(message)

    class Keeper(Actor):
        policy = type(fast)(max_failures=1000, backoff_first_s=0.001, backoff_longest_s=0.001)

        def on_start(self):
            self.kid = self.spawn(Fragile, name="kid")

        def on_receive(self, message):
            return self.kid

    kid = live.system.spawn(Keeper).ask("kid", timeout=5)
    flood([kid], 300, threads=2)
    kid.ask(1, timeout=5)

    assert len(live.items) == 601
    assert live.system.stats().restarts == 3


def test_an_actor_may_have_a_thread_of_its_own(live):
    names = []

    class Named(Loner):
        def on_receive(self, message):
            names.append(threading.current_thread().name)

    ref = live.system.spawn(Named, name="loner")
    ref.ask("where", timeout=5)
    (thread,) = (one for one in threading.enumerate() if one.name == names[0])
    ref.stop(timeout=5)
    thread.join(5)
    ref.tell("late")
    ref.stop(timeout=5)

    assert names == ["actor-loner"]
    assert not thread.is_alive()
    assert [one.message for one in live.system.dead_letters] == ["late"]


def test_a_stop_leaves_no_thread_and_what_comes_later_is_counted(live):
    system = live.system
    mine = [*system._threads]

    class Worker:
        def attach(self, wake):
            self.wake = wake

        def drain(self):
            return 0

    system.drive(Worker())
    ref = system.spawn(Counter)
    system.spawn(Loner)
    ref.tell(1)
    system.call_later(3600, print)

    assert system.stop(timeout_s=5) == ()
    ref.tell("late")

    assert not [one for one in threading.enumerate() if one in mine or one in system._threads]
    assert not any(thread.is_alive() for thread, _ in system._drives)
    assert [one.message for one in system.dead_letters] == ["late"]
    assert system.stop() == ()


def test_the_last_drain_writes_what_actors_say_while_they_stop(live):
    written = []

    class Journal:
        def __init__(self):
            self.queue = []

        def attach(self, wake):
            self.wake = wake

        def drain(self):
            batch, self.queue = self.queue, []
            written.extend(batch)
            return len(batch)

    journal = Journal()

    class Last(Actor):
        def on_stop(self):
            journal.queue.append("goodbye")
            journal.wake()

    live.system.drive(journal)
    live.system.spawn(Last)
    live.system.stop(timeout_s=5)

    assert written == ["goodbye"]


def test_a_stop_names_what_hangs(live):
    entered, release = threading.Event(), threading.Event()

    class Stuck(Actor):
        def on_receive(self, message):
            entered.set()
            release.wait(5)

    live.system.spawn(Stuck, name="stuck").tell("hang")
    entered.wait(5)
    late = live.system.stop(timeout_s=0.02)
    release.set()

    assert "stuck" in late
    assert any(name.startswith("actors-") for name in late)


def test_nothing_wakes_up_while_no_timer_is_due(live):
    waits = []
    bell = live.system._bell
    original = bell.wait
    bell.wait = lambda timeout=None: waits.append(timeout) or original(timeout)

    live.system.call_later(0.001, lambda: live.log("soon"))
    live.wait_for("soon")
    live.system.call_later(3600, print)
    live.system.call_later(7200, print)
    live.system.call_later(0.001, lambda: live.log("then"))
    live.wait_for("then")

    assert len(waits) <= 8


def test_a_scheduled_function_that_raises_stops_no_timer(live):
    live.system.call_later(0, lambda: 1 / 0)
    live.system.call_later(0.001, lambda: live.log("next"))

    live.wait_for("next")


def test_thousands_of_replaced_timers_are_forgotten(live):
    class Busy(Actor):
        def on_receive(self, message):
            for _ in range(3000):
                self.after(3600, "never", key="k")

    live.system.spawn(Busy).ask("go", timeout=5)

    assert len(live.system._timers) < 200


def test_thousands_of_actors_need_no_more_threads(live):
    before = threading.active_count()
    refs = [live.system.spawn(Counter) for _ in range(2000)]

    assert refs[-1].ask("total", timeout=5) == (0, 0)
    assert threading.active_count() == before
