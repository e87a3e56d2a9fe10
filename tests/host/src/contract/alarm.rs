//! The rules of the alarm of [`lake_host::ShardStorage`], as an object sees them.
//!
//! That an alarm does not come is shown with another object, whose alarm is set later for a later time and has come.

use super::lab::fired;
use super::{AlarmStep, Answer, Case, Fired, Lab, Order, equal};

/// Checks every rule, each with objects of its own.
pub async fn check_alarms(lab: &impl Lab) -> Vec<Case> {
    let mut cases = Vec::new();
    macro_rules! case {
        ($name:literal, $check:ident) => {
            let object = Object { lab, name: concat!("alarm ", stringify!($check)).to_owned() };
            cases.push(Case { name: $name, outcome: $check(&object).await });
        };
    }
    case!("an alarm comes, not before its time, and is not set any more", comes);
    case!("an alarm in the past comes at once", past);
    case!("an alarm can set the next one", repeats);
    case!("no later than takes the earlier time", earlier);
    case!("an alarm that is set again comes at its new time", moved);
    case!("an alarm that is cleared does not come", cleared);
    case!("a batch that fails sets no alarm", not_set_by_failure);
    case!("a batch that fails leaves the alarm that is set", not_cleared_by_failure);
    case!("an evicted object knows its alarm", known_after_eviction);
    case!("an alarm wakes an object that is not in memory", wakes);
    case!("an alarm that fails comes again", fails);
    cases
}

struct Object<'a, L> {
    lab: &'a L,
    name: String,
}

impl<L: Lab> Object<'_, L> {
    /// Has the steps taken and answers which alarm is set after each.
    async fn order(&self, steps: &[AlarmStep], repeat: u32, failures: u32) -> Result<Vec<Option<i64>>, String> {
        let order = Order::Alarm { steps: steps.to_vec(), repeat, failures };
        match self.lab.order(&self.name, order).await? {
            Answer::Alarm(alarms) => Ok(alarms),
            other => Err(format!("told to set an alarm, answered {other:?}")),
        }
    }

    /// Has the steps taken and answers when the alarm comes.
    async fn set(&self, steps: &[AlarmStep]) -> Result<i64, String> {
        let alarms = self.order(steps, 0, 0).await?;
        alarms.last().copied().flatten().ok_or_else(|| format!("no alarm is set: {alarms:?}"))
    }

    async fn fired(&self, count: usize) -> Result<(Vec<Fired>, Option<i64>), String> {
        fired(self.lab, &self.name, count).await
    }

    /// The alarm of `due` comes: one of that time, which leaves none behind.
    async fn expect(&self, due: i64) -> Result<(), String> {
        let (fired, next) = self.fired(1).await?;
        let Some(first) = fired.first() else { return Err("it did not come".to_owned()) };
        in_time(first.at, due)?;
        equal((first.held, first.next, next), (None, None, None))
    }

    /// Lets the time pass in which an alarm within `millis` would come.
    async fn outwait(&self, millis: i64) -> Result<(), String> {
        let control = Object { lab: self.lab, name: format!("{} control", self.name) };
        let due = control.set(&[AlarmStep::Set(millis + 200)]).await?;
        control.expect(due).await
    }
}

fn in_time(at: i64, due: i64) -> Result<(), String> {
    if at >= due { Ok(()) } else { Err(format!("{} microseconds too early", due - at)) }
}

async fn comes(object: &Object<'_, impl Lab>) -> Result<(), String> {
    let due = object.set(&[AlarmStep::Set(30)]).await?;
    object.expect(due).await
}

async fn past(object: &Object<'_, impl Lab>) -> Result<(), String> {
    let due = object.set(&[AlarmStep::Set(-60_000)]).await?;
    object.expect(due).await
}

async fn repeats(object: &Object<'_, impl Lab>) -> Result<(), String> {
    let alarms = object.order(&[AlarmStep::Set(10)], 3, 0).await?;
    let (fired, next) = object.fired(4).await?;
    let mut due = alarms.first().copied().flatten();
    for found in &fired {
        in_time(found.at, due.ok_or("an alarm came that was not set")?)?;
        equal(found.held, None)?;
        due = found.next;
    }
    equal((fired.len(), due, next), (4, None, None))
}

async fn earlier(object: &Object<'_, impl Lab>) -> Result<(), String> {
    let late = [AlarmStep::NoLaterThan(3_600_000), AlarmStep::NoLaterThan(30), AlarmStep::NoLaterThan(1_800_000)];
    let alarms = object.order(&late, 0, 0).await?;
    let [Some(first), Some(second), third] = alarms[..] else { return Err(format!("found {alarms:?}")) };
    equal((first - second, third), (3_599_970_000, Some(second)))?;
    object.expect(second).await
}

async fn moved(object: &Object<'_, impl Lab>) -> Result<(), String> {
    let due = object.set(&[AlarmStep::Set(10), AlarmStep::Set(250)]).await?;
    object.expect(due).await
}

async fn cleared(object: &Object<'_, impl Lab>) -> Result<(), String> {
    equal(object.order(&[AlarmStep::Set(50), AlarmStep::Clear], 0, 0).await?.last().copied(), Some(None))?;
    object.outwait(50).await?;
    equal(object.fired(0).await?, (Vec::new(), None))
}

async fn not_set_by_failure(object: &Object<'_, impl Lab>) -> Result<(), String> {
    equal(object.order(&[AlarmStep::SetAndFail(50)], 0, 0).await?, vec![None])?;
    object.outwait(50).await?;
    equal(object.fired(0).await?, (Vec::new(), None))
}

async fn not_cleared_by_failure(object: &Object<'_, impl Lab>) -> Result<(), String> {
    let due = object.set(&[AlarmStep::Set(50), AlarmStep::ClearAndFail, AlarmStep::SetAndFail(3_600_000)]).await?;
    object.expect(due).await
}

async fn known_after_eviction(object: &Object<'_, impl Lab>) -> Result<(), String> {
    let due = object.set(&[AlarmStep::Set(3_600_000)]).await?;
    object.lab.evict(&object.name).await?;
    equal(object.fired(0).await?, (Vec::new(), Some(due)))?;
    // It is a real alarm still: the next order has to take it away.
    object.order(&[], 0, 0).await?;
    equal(object.fired(0).await?, (Vec::new(), None))
}

async fn wakes(object: &Object<'_, impl Lab>) -> Result<(), String> {
    let due = object.set(&[AlarmStep::Set(200)]).await?;
    object.lab.evict(&object.name).await?;
    // Nobody asks it anything until its time is over.
    object.outwait(200).await?;
    object.expect(due).await
}

async fn fails(object: &Object<'_, impl Lab>) -> Result<(), String> {
    let alarms = object.order(&[AlarmStep::Set(10)], 0, 1).await?;
    let (fired, _) = object.fired(2).await?;
    equal(fired.len(), 2)?;
    fired.iter().try_for_each(|found| in_time(found.at, alarms.first().copied().flatten().unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::assert_all;
    use crate::contract::broken_lab::BrokenLab;
    use crate::{MemoryLab, run};

    fn check(broken: BrokenLab, rules: &[&str]) {
        let cases = run(check_alarms(&broken));
        let found: Vec<_> = cases.iter().filter(|case| case.outcome.is_err()).map(|case| case.name).collect();
        assert_eq!(found, rules);
    }

    #[test]
    fn memory_obeys_the_contract_of_alarms() {
        let lab = MemoryLab::new();
        assert_all(run(check_alarms(&lab)));
        assert_all(run(check_alarms(&lab)));
    }

    /// Replaces a step by another in every order.
    fn with_step(order: Order, from: fn(&AlarmStep) -> bool, to: AlarmStep) -> Order {
        match order {
            Order::Alarm { steps, repeat, failures } => {
                let steps = steps.into_iter().map(|step| if from(&step) { to } else { step }).collect();
                Order::Alarm { steps, repeat, failures }
            }
            other => other,
        }
    }

    #[test]
    fn an_alarm_that_is_not_cleared_is_found() {
        let order = |order| with_step(order, |step| *step == AlarmStep::Clear, AlarmStep::NoLaterThan(50));
        check(BrokenLab { order, ..BrokenLab::default() }, &["an alarm that is cleared does not come"]);
    }

    #[test]
    fn a_failed_batch_that_sets_the_alarm_is_found() {
        let order = |order| with_step(order, |step| *step == AlarmStep::SetAndFail(50), AlarmStep::Set(50));
        check(BrokenLab { order, ..BrokenLab::default() }, &["a batch that fails sets no alarm"]);
    }

    #[test]
    fn an_alarm_that_comes_too_early_is_found() {
        let answer = |answer| match answer {
            Answer::Fired { mut fired, next } => {
                for found in &mut fired {
                    found.at -= 10_000;
                }
                Answer::Fired { fired, next }
            }
            other => other,
        };
        let cases = run(check_alarms(&BrokenLab { answer, ..BrokenLab::default() }));
        let rule = "an alarm comes, not before its time, and is not set any more";
        assert!(cases.iter().any(|case| case.name == rule && case.outcome.is_err()));
    }

    #[test]
    fn a_failed_alarm_that_is_forgotten_is_found() {
        let order = |order| match order {
            Order::Alarm { steps, repeat, .. } => Order::Alarm { steps, repeat, failures: 0 },
            other => other,
        };
        check(BrokenLab { order, ..BrokenLab::default() }, &["an alarm that fails comes again"]);
    }
}
