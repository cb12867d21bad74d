"""An actor that says what happens to it."""

from actors.runtime import Actor


class Echo(Actor):
    """Logs what it is told, and raises the exceptions that it is told."""

    def __init__(self, log, *, prefix=""):
        super().__init__()
        self.log, self.prefix, self.count = log, prefix, 0

    def on_start(self):
        self.log(f"{self.prefix}start")

    def on_stop(self):
        self.log(f"{self.prefix}stop")

    def on_failure(self, exception_type, exception_value, traceback):
        self.log(f"{self.prefix}failed {exception_type.__name__}")

    def on_receive(self, message):
        self.count += 1
        match message:
            case BaseException():
                raise message
            case "count":
                return self.count
            case "life":
                return self.life
            case "stop":
                self.stop_self()
        self.log(f"{self.prefix}{message}")
        return None
