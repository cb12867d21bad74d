"""What engine and exchange agree on."""

from domain.session import ALWAYS_OPEN
from domain.settings import BrokerTiming, Settings
from domain.supervision import RestartPolicy
from infra.clock import SystemClock

# Short, to see lost answers resolved within a run. The clocks are real and the machine may be slow,
# so a late acceptance has more room than the paper broker needs.
TIMING = BrokerTiming(
    call_timeout_s=0.5, latest_accept_s=0.5, longest_hidden_s=0.1, send_window_s=1.0
)
SETTINGS = Settings(
    session=ALWAYS_OPEN,
    timing=TIMING,
    poll_active_s=0.2,
    restarts=RestartPolicy(max_failures=1000, backoff_first_s=0.01, backoff_longest_s=0.1),
)
ACCOUNT = SETTINGS.account_id
CLOCK = SystemClock()
