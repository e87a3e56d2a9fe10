//! The rules of [`lake_host::Socket`], [`lake_host::HibernatableSocket`] and [`lake_host::AcceptedSockets`].
//!
//! One object dials another; each case has a socket of its own and is checked in both directions.

use lake_host::{ATTACHMENT_BYTES_MAX, CLOSED_WITHOUT_CODE, MESSAGE_BYTES_MAX};

use super::lab::seen;
use super::{Act, Answer, Case, Digest, Lab, Order, Payload, Seen, equal};

const DIALLER: &str = "dialler";
const ACCEPTOR: &str = "acceptor";
const DIRECTIONS: [(&str, &str); 2] = [(DIALLER, ACCEPTOR), (ACCEPTOR, DIALLER)];

/// Checks every rule, with the objects `dialler` and `acceptor`. `run` tells its sockets from those of another run.
pub async fn check_sockets(lab: &impl Lab, run: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    macro_rules! case {
        ($name:literal, $check:ident) => {
            let bench = Bench { lab, case: format!("{run} {}", stringify!($check)) };
            cases.push(Case { name: $name, outcome: $check(&bench).await });
        };
    }
    case!("a binary message of any length arrives whole", lengths);
    case!("messages arrive in order and once", order);
    case!("a text message is told from a binary one", kinds);
    case!("a close arrives after what was sent before it, with its code and reason", close);
    case!("every code that may be sent arrives, and any other closes without one", codes);
    case!("a reason that is too long is cut between characters", long_reason);
    case!("an end that has closed sends nothing any more, and closing again does nothing", after_closing);
    case!("an end that has seen a close sends nothing any more", after_a_close);
    case!("ends that close at once each see a close", crossing);
    case!("what is attached last is held", attachments);
    case!("an attachment that is too large is refused and the one before it stays", large_attachment);
    case!("sockets are found by their tag", tags);
    case!("an evicted object finds its sockets with what is attached and goes on", eviction);
    case!("messages to an object that is not in memory arrive in order", burst_after_eviction);
    case!("a close wakes an object that is not in memory", close_after_eviction);
    cases
}

struct Bench<'a, L> {
    lab: &'a L,
    case: String,
}

/// A socket between the two objects.
struct Line<'a, L> {
    lab: &'a L,
    tag: String,
}

impl<'a, L: Lab> Bench<'a, L> {
    /// Dials a socket. `name` tells those of one case apart.
    async fn dial(&self, name: impl std::fmt::Display) -> Result<Line<'a, L>, String> {
        let tag = format!("{} {name}", self.case);
        match self.lab.order(DIALLER, Order::Dial { to: ACCEPTOR.to_owned(), tag: tag.clone() }).await? {
            Answer::Dialled => Ok(Line { lab: self.lab, tag }),
            other => Err(format!("told to dial, answered {other:?}")),
        }
    }
}

impl<L: Lab> Line<'_, L> {
    async fn try_acts(&self, object: &str, acts: &[Act]) -> Result<Vec<Result<(), String>>, String> {
        match self.lab.order(object, Order::Act { tag: self.tag.clone(), acts: acts.to_vec() }).await? {
            Answer::Acted(outcomes) => Ok(outcomes),
            other => Err(format!("told to act, answered {other:?}")),
        }
    }

    async fn acts(&self, object: &str, acts: &[Act]) -> Result<(), String> {
        equal(self.try_acts(object, acts).await?, vec![Ok(()); acts.len()])
    }

    /// The events at an end so far are exactly these.
    async fn expect(&self, object: &str, expected: &[Seen]) -> Result<(), String> {
        let found = seen(self.lab, object, &self.tag, expected.len()).await?;
        equal(found, expected.to_vec()).map_err(|difference| format!("at the {object}: {difference}"))
    }

    async fn held(&self) -> Result<Vec<Option<Digest>>, String> {
        match self.lab.order(ACCEPTOR, Order::Held { tag: self.tag.clone() }).await? {
            Answer::Held(held) => Ok(held),
            other => Err(format!("asked for attachments, answered {other:?}")),
        }
    }
}

/// A message, and how the other end sees it.
fn binary(length: usize, seed: u64) -> (Act, Seen) {
    let payload = Payload { length, seed };
    (Act::Binary(payload), Seen::Binary(payload.digest()))
}

fn text(text: &str) -> (Act, Seen) {
    (Act::Text(text.to_owned()), Seen::Text(text.to_owned()))
}

fn closed(code: u16, reason: &str) -> Seen {
    Seen::Closed { code, reason: reason.to_owned(), can_send: false }
}

/// Sends in both directions and expects just that.
async fn carries(bench: &Bench<'_, impl Lab>, messages: Vec<(Act, Seen)>) -> Result<(), String> {
    let (acts, expected): (Vec<_>, Vec<_>) = messages.into_iter().unzip();
    let line = bench.dial("both ways").await?;
    for (from, to) in DIRECTIONS {
        line.acts(from, &acts).await?;
        line.expect(to, &expected).await?;
    }
    Ok(())
}

async fn lengths(bench: &Bench<'_, impl Lab>) -> Result<(), String> {
    let lengths = [0, 1, 125, 126, 65_535, 65_536, 1 << 20, MESSAGE_BYTES_MAX, 3];
    carries(bench, lengths.into_iter().map(|length| binary(length, length as u64)).collect()).await
}

async fn order(bench: &Bench<'_, impl Lab>) -> Result<(), String> {
    carries(bench, (0..500).map(|number| binary(number % 7 * 100, number as u64)).collect()).await
}

async fn kinds(bench: &Bench<'_, impl Lab>) -> Result<(), String> {
    carries(bench, vec![text(""), binary(0, 0), text("abc"), binary(3, 1), text("a\0é€𝄞"), text("end")]).await
}

async fn close(bench: &Bench<'_, impl Lab>) -> Result<(), String> {
    for (from, to) in DIRECTIONS {
        let line = bench.dial(from).await?;
        let (large, large_seen) = binary(1 << 20, 5);
        let (last, last_seen) = text("last");
        line.acts(from, &[large, last, Act::Close(4_000, "é and more".to_owned())]).await?;
        line.expect(to, &[large_seen, last_seen, closed(4_000, "é and more")]).await?;
    }
    Ok(())
}

async fn codes(bench: &Bench<'_, impl Lab>) -> Result<(), String> {
    for (from, to) in DIRECTIONS {
        for code in [1000, 1001, 1003, 1008, 1011, 1012, 3_000, 4_999] {
            let line = bench.dial(format!("{from} {code}")).await?;
            line.acts(from, &[Act::Close(code, "why".to_owned())]).await?;
            line.expect(to, &[closed(code, "why")]).await?;
        }
        for code in [0, 999, 1005, 1006, 1015, 2_000, 5_000] {
            let line = bench.dial(format!("{from} {code}")).await?;
            line.acts(from, &[Act::Close(code, "why".to_owned())]).await?;
            line.expect(to, &[closed(CLOSED_WITHOUT_CODE, "")]).await?;
        }
    }
    Ok(())
}

async fn long_reason(bench: &Bench<'_, impl Lab>) -> Result<(), String> {
    for (from, to) in DIRECTIONS {
        let line = bench.dial(from).await?;
        line.acts(from, &[Act::Close(1011, "€".repeat(50))]).await?;
        line.expect(to, &[closed(1011, &"€".repeat(41))]).await?;
    }
    Ok(())
}

async fn after_closing(bench: &Bench<'_, impl Lab>) -> Result<(), String> {
    for (from, to) in DIRECTIONS {
        let line = bench.dial(from).await?;
        let close = |code| Act::Close(code, String::new());
        let acts = [close(4_001), text("late").0, binary(9, 9).0, close(4_002), binary(0, 0).0];
        let outcomes = line.try_acts(from, &acts).await?;
        let is_done: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
        equal(is_done, vec![true, false, false, true, false])?;
        line.expect(to, &[closed(4_001, "")]).await?;
    }
    Ok(())
}

async fn after_a_close(bench: &Bench<'_, impl Lab>) -> Result<(), String> {
    for (from, to) in DIRECTIONS {
        let line = bench.dial(from).await?;
        line.acts(from, &[Act::Close(1000, "done".to_owned())]).await?;
        line.expect(to, &[closed(1000, "done")]).await?;
        // An end that is let go is not there to act.
        let outcomes = line.try_acts(to, &[text("late").0, binary(9, 9).0]).await?;
        equal(outcomes.iter().any(Result::is_ok), false)?;
        // Closing after a close does nothing either.
        line.try_acts(to, &[Act::Close(4_003, "again".to_owned())]).await?;
    }
    Ok(())
}

async fn crossing(bench: &Bench<'_, impl Lab>) -> Result<(), String> {
    let line = bench.dial("alone").await?;
    line.acts(DIALLER, &[Act::Close(4_001, String::new())]).await?;
    // It may have seen the other close already.
    line.try_acts(ACCEPTOR, &[Act::Close(4_002, String::new())]).await?;
    for object in [DIALLER, ACCEPTOR] {
        let found = seen(bench.lab, object, &line.tag, 1).await?;
        let is_close = matches!(found.as_slice(), [Seen::Closed { code: 4_001 | 4_002, can_send: false, .. }]);
        equal(is_close, true).map_err(|_| format!("at the {object}: {found:?}"))?;
    }
    Ok(())
}

/// A thing to attach, and how it is held.
fn attachment(length: usize, seed: u64) -> (Act, Vec<Option<Digest>>) {
    let payload = Payload { length, seed };
    (Act::Attach(payload), vec![Some(payload.digest())])
}

async fn attachments(bench: &Bench<'_, impl Lab>) -> Result<(), String> {
    let line = bench.dial("alone").await?;
    equal(line.held().await?, vec![None])?;
    for length in [10, 0, 1_000, ATTACHMENT_BYTES_MAX, 1] {
        let (attach, held) = attachment(length, length as u64);
        line.acts(ACCEPTOR, &[attach]).await?;
        equal(line.held().await?, held)?;
    }
    Ok(())
}

async fn large_attachment(bench: &Bench<'_, impl Lab>) -> Result<(), String> {
    let line = bench.dial("alone").await?;
    let (attach, held) = attachment(10, 1);
    let (too_large, _) = attachment(ATTACHMENT_BYTES_MAX + 1, 2);
    let outcomes = line.try_acts(ACCEPTOR, &[attach, too_large]).await?;
    equal(outcomes.iter().map(Result::is_ok).collect(), vec![true, false])?;
    equal(line.held().await?, held)
}

async fn tags(bench: &Bench<'_, impl Lab>) -> Result<(), String> {
    let first = bench.dial("first").await?;
    let second = bench.dial("second").await?;
    first.acts(ACCEPTOR, &[attachment(10, 1).0, text("to the first").0]).await?;
    second.acts(ACCEPTOR, &[attachment(10, 2).0, text("to the second").0]).await?;
    equal(first.held().await?, attachment(10, 1).1)?;
    equal(second.held().await?, attachment(10, 2).1)?;
    first.expect(DIALLER, &[text("to the first").1]).await?;
    second.expect(DIALLER, &[text("to the second").1]).await?;
    equal(Line { lab: bench.lab, tag: "never used".to_owned() }.held().await?, Vec::new())
}

async fn eviction(bench: &Bench<'_, impl Lab>) -> Result<(), String> {
    let line = bench.dial("alone").await?;
    let (attach, held) = attachment(ATTACHMENT_BYTES_MAX, 3);
    line.acts(ACCEPTOR, &[attach]).await?;
    for _ in 0..2 {
        line.acts(DIALLER, &[text("before").0]).await?;
        line.expect(ACCEPTOR, &[text("before").1]).await?;
        bench.lab.evict(ACCEPTOR).await?;
        // Its memory is gone, or nothing is shown here.
        line.expect(ACCEPTOR, &[]).await?;
        equal(line.held().await?, held.clone())?;
    }
    line.acts(DIALLER, &[binary(70_000, 4).0, text("after").0]).await?;
    line.expect(ACCEPTOR, &[binary(70_000, 4).1, text("after").1]).await?;
    line.acts(ACCEPTOR, &[text("answer").0, Act::Close(4_004, "done".to_owned())]).await?;
    line.expect(DIALLER, &[text("answer").1, closed(4_004, "done")]).await
}

async fn burst_after_eviction(bench: &Bench<'_, impl Lab>) -> Result<(), String> {
    let line = bench.dial("alone").await?;
    bench.lab.evict(ACCEPTOR).await?;
    let (acts, expected): (Vec<_>, Vec<_>) = (0..200).map(|number| binary(number, number as u64)).unzip();
    line.acts(DIALLER, &acts).await?;
    line.expect(ACCEPTOR, &expected).await
}

async fn close_after_eviction(bench: &Bench<'_, impl Lab>) -> Result<(), String> {
    let line = bench.dial("alone").await?;
    bench.lab.evict(ACCEPTOR).await?;
    line.acts(DIALLER, &[text("last").0, Act::Close(1001, "going".to_owned())]).await?;
    line.expect(ACCEPTOR, &[text("last").1, closed(1001, "going")]).await
}

#[cfg(test)]
mod tests;
