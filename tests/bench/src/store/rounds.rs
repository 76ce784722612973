//! Asks all engines in turn, question by question, so that a busy machine weighs on each of them.

use crate::Kept;
use crate::ours::Ours;
use crate::peer::Peer;
use crate::plan::Plan;
use crate::question::Question;

/// What takes longer than this is asked once more instead of in every round.
const PATIENCE_MS: f64 = 5000.0;

/// One answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) ms: f64,
    pub(crate) cpu_ms: f64,
    /// Equal in all engines.
    pub(crate) answer: String,
}

/// All answers of one engine.
pub(crate) struct Taken {
    pub(crate) name: String,
    /// Of a peer.
    pub(crate) kept: Option<Kept>,
    /// In the order of [`Question::ALL`].
    pub(crate) answers: Vec<Answers>,
}

/// One engine's answers to one question.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) first_ms: f64,
    pub(crate) ms: Vec<f64>,
    pub(crate) cpu_ms: Vec<f64>,
    /// What was answered, or why nothing was.
    pub(crate) answer: Result<String, String>,
}

enum Engine {
    Ours(Ours),
    Peer(Peer),
}

impl Engine {
    fn ask(&mut self, question: Question) -> Result<Reply, String> {
        match self {
            Self::Ours(ours) => ours.ask(question),
            Self::Peer(peer) => peer.ask(question),
        }
    }
}

/// Warms up, then measures in rounds. Ours is the first of what it returns.
pub(crate) fn run(ours: Ours, peers: Vec<Peer>, plan: &Plan) -> Vec<Taken> {
    let mut taken = vec![Taken::new("vestibule".into(), None)];
    taken.extend(peers.iter().map(|peer| Taken::new(peer.name.clone(), Some(peer.kept))));
    let mut engines = vec![Engine::Ours(ours)];
    engines.extend(peers.into_iter().map(Engine::Peer));
    for (at, question) in Question::ALL.into_iter().enumerate().filter(|(_, question)| plan.asks(question.name())) {
        eprintln!("{}", question.label());
        for round in 0..=plan.rounds {
            for (engine, taken) in engines.iter_mut().zip(&mut taken) {
                let answers = taken.answers.get_mut(at).unwrap();
                if answers.wants(round) {
                    answers.take(round, engine.ask(question));
                }
            }
        }
    }
    taken
}

impl Taken {
    fn new(name: String, kept: Option<Kept>) -> Self {
        Self { name, kept, answers: Question::ALL.iter().map(|_| Answers::default()).collect() }
    }
}

impl Answers {
    /// Whether it is worth its time to ask in this round; round 0 warms up.
    fn wants(&self, round: usize) -> bool {
        round == 0 || self.answer.is_ok() && (round == 1 || self.first_ms < PATIENCE_MS)
    }

    fn take(&mut self, round: usize, reply: Result<Reply, String>) {
        match reply {
            Ok(reply) if round == 0 => (self.first_ms, self.answer) = (reply.ms, Ok(reply.answer)),
            Ok(reply) => {
                self.ms.push(reply.ms);
                self.cpu_ms.push(reply.cpu_ms);
            }
            Err(error) => self.answer = Err(error),
        }
    }
}

impl Default for Answers {
    fn default() -> Self {
        Self { first_ms: 0.0, ms: Vec::new(), cpu_ms: Vec::new(), answer: Err("not asked".into()) }
    }
}

/// Not a number of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    f64::midpoint(at((sorted.len().saturating_sub(1)) / 2), at(sorted.len() / 2))
}
