//! What a load came to: latencies, the rate, and how two of them compare.

use std::time::Duration;

/// One turn of clients that all do the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    /// How long each request took that succeeded.
    pub(super) latencies: Vec<Duration>,
    /// How long all of them took together.
    pub(super) whole: Duration,
    /// Requests that did not succeed.
    pub(super) failures: usize,
    /// What the first of these was answered.
    pub(super) failure: Option<String>,
}

impl Turn {
    /// Requests that succeeded, for each second.
    pub(super) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.whole.as_secs_f64()
    }

    /// The latency that this share of the requests stays below, in milliseconds.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() as f64 * share).ceil() as usize;
        let at = sorted.get(rank.saturating_sub(1).min(sorted.len().saturating_sub(1)));
        at.map_or(f64::NAN, |latency| latency.as_secs_f64() * 1_000.0)
    }
}

/// All turns of one server at one kind of request.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    turns: Vec<Turn>,
}

impl Sample {
    /// One more turn.
    pub(super) fn add(&mut self, turn: Turn) {
        self.turns.push(turn);
    }

    /// The rate of the middle turn.
    pub(super) fn rate(&self) -> f64 {
        self.middle(Turn::rate)
    }

    /// The quantile of the middle turn.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        self.middle(|turn| turn.quantile(share))
    }

    /// Requests of all turns that did not succeed.
    pub(super) fn failures(&self) -> usize {
        self.turns.iter().map(|turn| turn.failures).sum()
    }

    /// What the first of these was answered.
    pub(super) fn failure(&self) -> Option<&str> {
        self.turns.iter().find_map(|turn| turn.failure.as_deref())
    }

    fn middle(&self, of: impl Fn(&Turn) -> f64) -> f64 {
        let mut values: Vec<f64> = self.turns.iter().map(of).collect();
        values.sort_unstable_by(f64::total_cmp);
        match values.len() {
            0 => f64::NAN,
            count if count % 2 == 1 => values[count / 2],
            count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(millis: &[u64], whole: u64) -> Turn {
        let latencies = millis.iter().map(|millis| Duration::from_millis(*millis)).collect();
        Turn { latencies, whole: Duration::from_millis(whole), ..Turn::default() }
    }

    fn check(millis: &[u64], share: f64, expected: f64) {
        assert!((turn(millis, 1).quantile(share) - expected).abs() < 1e-9);
    }

    #[test]
    fn a_quantile_is_the_least_latency_that_so_many_stay_within() {
        let hundred: Vec<u64> = (1..=100).rev().collect();
        check(&hundred, 0.5, 50.0);
        check(&hundred, 0.99, 99.0);
        check(&hundred, 1.0, 100.0);
        check(&[7], 0.5, 7.0);
        check(&[7, 9], 0.99, 9.0);
        check(&[7, 9], 0.0, 7.0);
    }

    #[test]
    fn nothing_that_succeeded_has_no_latency() {
        assert!(turn(&[], 10).quantile(0.5).is_nan());
        assert!(Sample::default().rate().is_nan());
    }

    #[test]
    fn one_slow_turn_does_not_move_the_rate() {
        let mut sample = Sample::default();
        for whole in [1_000, 100, 200] {
            sample.add(turn(&[1; 10], whole));
        }
        assert!((sample.rate() - 50.0).abs() < 1e-9);
        sample.add(turn(&[1; 10], 100));
        assert!((sample.rate() - 75.0).abs() < 1e-9);
    }

    #[test]
    fn failures_of_all_turns_are_counted_and_the_first_is_named() {
        let mut sample = Sample::default();
        sample.add(turn(&[1], 1));
        sample.add(Turn { failures: 2, failure: Some("409".to_owned()), ..Turn::default() });
        sample.add(Turn { failures: 1, failure: Some("500".to_owned()), ..Turn::default() });
        assert_eq!((sample.failures(), sample.failure()), (3, Some("409")));
    }
}
