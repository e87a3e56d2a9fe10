//! The line to the lake: the one task that dials and reads the socket, as a table of states.
//!
//! The outbox says when to connect and when to close, and takes both for granted; a task is slower. It can hang in a
//! dial, and a peer that is gone never answers a close, so it ends when it is told, whatever the socket does. A dial that
//! is asked for while the last task is still ending waits for its end, which the outbox is told and dials then: there
//! are never two.

/// How the line stands. It begins and ends as [`Line::Down`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Line {
    /// There is no task.
    #[default]
    Down,
    /// The task dials.
    Dialling,
    /// The task reads an open socket.
    Up,
    /// The task was told to end and has not yet.
    Ending,
}

/// What happens to the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEvent {
    /// The outbox wants a socket.
    Connect,
    /// The outbox wants it closed, or sending on it failed.
    Close,
    /// The task has opened a socket.
    Opened,
    /// The task is over: the socket was closed, it could not be dialled, or the task was told to end.
    Ended,
}

/// What the shell does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineStep {
    /// Starts the task.
    Start,
    /// Closes the socket.
    CloseSocket,
    /// Tells the task to end without waiting for anything.
    Stop,
    /// Tells the outbox that the socket is open.
    TellOpen,
    /// Tells the outbox that there is no socket any more.
    TellClosed,
}

impl Line {
    /// The state after an event, and what is done then, in order.
    pub fn next(self, event: LineEvent) -> (Line, &'static [LineStep]) {
        match (self, event) {
            (Line::Down, LineEvent::Connect) => (Line::Dialling, &[LineStep::Start]),
            (Line::Dialling, LineEvent::Opened) => (Line::Up, &[LineStep::TellOpen]),
            // Asked to connect with a task at hand: the outbox has given up what it does.
            (Line::Dialling, LineEvent::Connect | LineEvent::Close) => (Line::Ending, &[LineStep::Stop]),
            (Line::Up, LineEvent::Connect | LineEvent::Close) => {
                (Line::Ending, &[LineStep::CloseSocket, LineStep::Stop])
            }
            // It opened before it heard that it should end.
            (Line::Ending, LineEvent::Opened) => (Line::Ending, &[LineStep::CloseSocket]),
            (Line::Dialling | Line::Up | Line::Ending, LineEvent::Ended) => (Line::Down, &[LineStep::TellClosed]),
            (Line::Down, LineEvent::Close | LineEvent::Opened | LineEvent::Ended)
            | (Line::Up, LineEvent::Opened)
            | (Line::Ending, LineEvent::Connect | LineEvent::Close) => (self, &[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Line::*, LineEvent::*, LineStep::*, *};

    fn check(line: Line, event: LineEvent, next: Line, steps: &[LineStep]) {
        assert_eq!(line.next(event), (next, steps), "{line:?} {event:?}");
    }

    #[test]
    fn a_line_that_is_down_dials_when_asked_and_knows_nothing_else() {
        check(Down, Connect, Dialling, &[Start]);
        check(Down, Close, Down, &[]);
        check(Down, Opened, Down, &[]);
        check(Down, Ended, Down, &[]);
    }

    #[test]
    fn a_dial_opens_fails_or_is_given_up() {
        check(Dialling, Opened, Up, &[TellOpen]);
        check(Dialling, Ended, Down, &[TellClosed]);
        check(Dialling, Close, Ending, &[Stop]);
        check(Dialling, Connect, Ending, &[Stop]);
    }

    #[test]
    fn an_open_line_is_closed_and_its_task_told_to_end_whether_or_not_the_peer_answers() {
        check(Up, Close, Ending, &[CloseSocket, Stop]);
        check(Up, Connect, Ending, &[CloseSocket, Stop]);
        check(Up, Ended, Down, &[TellClosed]);
        check(Up, Opened, Up, &[]);
    }

    #[test]
    fn a_line_that_is_ending_is_told_once_and_dials_only_after_its_end() {
        check(Ending, Close, Ending, &[]);
        check(Ending, Connect, Ending, &[]);
        check(Ending, Ended, Down, &[TellClosed]);
    }

    #[test]
    fn a_socket_that_opens_after_the_end_was_told_is_closed_and_nobody_hears_of_it() {
        check(Ending, Opened, Ending, &[CloseSocket]);
    }

    /// What the shell has: at most one task, and what that task was told.
    #[derive(Default)]
    struct Shell {
        line: Line,
        has_task: bool,
        is_told: bool,
        is_open: bool,
    }

    impl Shell {
        fn event(&mut self, event: LineEvent) {
            let (line, steps) = self.line.next(event);
            self.line = line;
            for step in steps {
                match step {
                    Start => {
                        assert!(!self.has_task, "a second task");
                        (self.has_task, self.is_told) = (true, false);
                    }
                    Stop => {
                        assert!(self.has_task && !self.is_told, "told twice, or nobody");
                        self.is_told = true;
                    }
                    CloseSocket => self.is_open = false,
                    TellOpen => assert!(self.is_open),
                    TellClosed => assert!(!self.has_task, "closed with a task at hand"),
                }
            }
        }

        /// One thing that can happen now; most choices are of the task, if there is one.
        fn act(&mut self, choice: u8) {
            match choice {
                0 => {
                    self.event(Connect);
                    assert!(self.has_task, "nobody dials");
                }
                1 => {
                    self.event(Close);
                    assert!(!self.has_task || self.is_told, "left hanging");
                }
                2 if self.has_task && !self.is_open => {
                    self.is_open = true;
                    self.event(Opened);
                }
                3 if self.has_task => {
                    (self.has_task, self.is_open) = (false, false);
                    self.event(Ended);
                    assert_eq!(self.line, Down);
                }
                _ => {}
            }
        }
    }

    proptest! {
        #[test]
        fn there_is_never_a_second_task_and_never_one_that_is_left_hanging(
            choices in prop::collection::vec(0_u8..4, 0..40),
        ) {
            let mut shell = Shell::default();
            for choice in choices {
                shell.act(choice);
                prop_assert_eq!(shell.has_task, shell.line != Down);
            }
        }
    }
}
