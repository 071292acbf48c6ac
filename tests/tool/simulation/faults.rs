//! What may go wrong with one call to a server.

use super::draw::Draw;

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is done and answered.
    Fine,
    /// The same, after a long while.
    Slow,
    /// It is refused; another try may succeed.
    Refused,
    /// It is refused for good.
    RefusedForGood,
    /// It is done, and the answer is an error.
    LostAnswer,
    /// It is done, and the answer does not come; after a long while the connection is cut.
    LostAnswerHang,
    /// It is not done, and no answer comes; after a long while the connection is cut.
    Hang,
    /// The answer is an error, and it is done much later. Only a store does that: a database does not begin a transaction
    /// for a client that is gone.
    Late,
    /// The process is killed before the call has reached the server, while the server works, or before the answer comes.
    Killed(When),
    /// The run's future is dropped, and the process that it ran in lives on.
    Dropped(When),
    /// The process is frozen; when it wakes, other runs have been there.
    Frozen(When, Sleep),
}

/// Where in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Before,
    Within,
    After,
}

/// Whether a frozen process's timers stand still, too: as in a machine that was suspended, and unlike a stopped process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sleep {
    Suspended,
    Stopped,
}

/// All that may happen, each as often as it stands here.
const ALL: [Fate; 20] = [
    Fate::Slow,
    Fate::Slow,
    Fate::Refused,
    Fate::Refused,
    Fate::RefusedForGood,
    Fate::LostAnswer,
    Fate::LostAnswer,
    Fate::LostAnswerHang,
    Fate::Hang,
    Fate::Late,
    Fate::Killed(When::Before),
    Fate::Killed(When::Within),
    Fate::Killed(When::After),
    Fate::Killed(When::After),
    Fate::Dropped(When::Before),
    Fate::Dropped(When::After),
    Fate::Frozen(When::Before, Sleep::Suspended),
    Fate::Frozen(When::After, Sleep::Suspended),
    Fate::Frozen(When::Before, Sleep::Stopped),
    Fate::Frozen(When::After, Sleep::Stopped),
];

/// How wrong the clocks of the machines are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clocks {
    Right,
    /// No two of them differ by more than the leases allow for.
    Within,
    /// They may be minutes apart.
    Beyond,
}

/// What goes wrong in one course of events.
#[derive(Clone, Debug)]
pub(super) struct Weather {
    /// What may happen to a call.
    pub(super) fates: Vec<Fate>,
    /// The clocks of the machines.
    pub(super) clocks: Clocks,
    /// Whether several schedulers start the sync at the same time.
    pub(super) races: bool,
    /// Whether the target refuses rows.
    pub(super) rejects: bool,
}

impl Weather {
    /// A few kinds at a time: where everything goes wrong at once, few runs come far enough to do harm.
    pub(super) fn of(draw: &mut Draw) -> Self {
        let keep = 1 + draw.below(4);
        Self {
            fates: ALL.into_iter().filter(|_| draw.below(4) < keep).collect(),
            clocks: draw.of(&[Clocks::Right, Clocks::Within, Clocks::Within, Clocks::Beyond]),
            races: draw.once_in(2),
            rejects: draw.once_in(2),
        }
    }

    /// Nothing goes wrong but what is given.
    pub(super) fn only(fates: &[Fate]) -> Self {
        Self { fates: fates.to_vec(), clocks: Clocks::Right, races: false, rejects: false }
    }
}
