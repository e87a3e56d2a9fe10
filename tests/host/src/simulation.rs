//! Runs futures on one thread in an order that a seed decides.
//!
//! One seed gives one schedule, so a failing run can be repeated. Dropping a task in the middle is an eviction at an
//! `await`: everything it held in memory is gone, and what it had stored is not. A task that dies at a named place
//! (`fault!`) ends there in the same way.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use lake_host::{Died, alive};

use crate::SeededRandom;

/// A task of a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskId(usize);

type TaskFuture = Pin<Box<dyn Future<Output = ()>>>;

struct Task {
    name: String,
    /// `None` while it runs.
    future: Option<TaskFuture>,
    ready: Arc<Ready>,
}

struct Ready(AtomicBool);

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Inner {
    tasks: RefCell<BTreeMap<usize, Task>>,
    next: Cell<usize>,
    random: SeededRandom,
    trace: RefCell<Vec<String>>,
    deaths: RefCell<Vec<(TaskId, Died)>>,
}

/// A set of tasks and the seed that schedules them. A clone is the same set, so that a task can start others.
#[derive(Clone)]
pub struct Simulation {
    inner: Rc<Inner>,
}

impl Simulation {
    /// An empty simulation.
    pub fn new(seed: u64) -> Simulation {
        let inner = Inner {
            tasks: RefCell::default(),
            next: Cell::default(),
            random: SeededRandom::new(seed),
            trace: RefCell::default(),
            deaths: RefCell::default(),
        };
        Simulation { inner: Rc::new(inner) }
    }

    /// The randomness of this simulation, for workloads and faults.
    pub fn random(&self) -> SeededRandom {
        self.inner.random.clone()
    }

    /// Starts a task; it runs when it is its turn.
    pub fn spawn(&self, name: impl Into<String>, future: impl Future<Output = ()> + 'static) -> TaskId {
        let ready = Arc::new(Ready(AtomicBool::new(true)));
        let id = self.inner.next.get();
        self.inner.next.set(id + 1);
        let task = Task { name: name.into(), future: Some(Box::pin(future)), ready };
        self.inner.tasks.borrow_mut().insert(id, task);
        TaskId(id)
    }

    /// Drops a task where it stands.
    pub fn evict(&self, task: TaskId) {
        let found = self.inner.tasks.borrow_mut().remove(&task.0);
        if let Some(found) = found {
            self.note(&found.name, "evicted");
            // Dropped after the borrow: a destructor may start another task.
            drop(found);
        }
    }

    /// True once a task has ended, died or was evicted.
    pub fn has_ended(&self, task: TaskId) -> bool {
        !self.inner.tasks.borrow().contains_key(&task.0)
    }

    /// Polls one of the ready tasks; false if there is none.
    pub fn step(&self) -> bool {
        let Some((id, name, mut future, ready)) = self.choose() else { return false };
        ready.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(ready);
        match alive(|| future.as_mut().poll(&mut Context::from_waker(&waker))) {
            Ok(Poll::Ready(())) => {
                self.note(&name, "ended");
                self.inner.tasks.borrow_mut().remove(&id);
            }
            Ok(Poll::Pending) => {
                self.note(&name, "ran");
                // It may have been evicted by what it did.
                if let Some(task) = self.inner.tasks.borrow_mut().get_mut(&id) {
                    task.future = Some(future);
                }
            }
            Err(died) => {
                self.note(&name, &format!("died {}", died.0));
                self.inner.tasks.borrow_mut().remove(&id);
                self.inner.deaths.borrow_mut().push((TaskId(id), died));
            }
        }
        true
    }

    /// Tasks that died at a named place since the last call. Whoever runs an object drops what it had in memory.
    pub fn take_deaths(&self) -> Vec<(TaskId, Died)> {
        std::mem::take(&mut self.inner.deaths.borrow_mut())
    }

    /// Steps until nothing is ready or `steps_max` are done; answers how many were done. Tasks that still wait are left.
    pub fn run_until_idle(&self, steps_max: usize) -> usize {
        (0..steps_max).take_while(|_| self.step()).count()
    }

    /// The names of the tasks that have not ended.
    pub fn waiting(&self) -> Vec<String> {
        self.inner.tasks.borrow().values().map(|task| task.name.clone()).collect()
    }

    /// What happened so far, one line a step: two runs of one seed give the same.
    pub fn trace(&self) -> Vec<String> {
        self.inner.trace.borrow().clone()
    }

    /// Adds a line to the trace.
    pub fn trace_line(&self, line: String) {
        self.inner.trace.borrow_mut().push(line);
    }

    fn choose(&self) -> Option<(usize, String, TaskFuture, Arc<Ready>)> {
        let mut tasks = self.inner.tasks.borrow_mut();
        let is_ready = |task: &Task| task.future.is_some() && task.ready.0.load(Ordering::Relaxed);
        let ready: Vec<usize> = tasks.iter().filter(|(_, task)| is_ready(task)).map(|(id, _)| *id).collect();
        if ready.is_empty() {
            return None;
        }
        let id = ready[self.inner.random.below(ready.len())];
        let task = tasks.get_mut(&id)?;
        Some((id, task.name.clone(), task.future.take()?, task.ready.clone()))
    }

    fn note(&self, name: &str, what: &str) {
        self.trace_line(format!("{name} {what}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yield_now;

    fn counting(seed: u64) -> (Vec<usize>, Vec<String>) {
        let simulation = Simulation::new(seed);
        let seen = Rc::new(RefCell::new(Vec::new()));
        for task in 0..4 {
            let seen = seen.clone();
            simulation.spawn(format!("task {task}"), async move {
                for _ in 0..5 {
                    seen.borrow_mut().push(task);
                    yield_now().await;
                }
            });
        }
        simulation.run_until_idle(1_000);
        assert_eq!(simulation.waiting(), Vec::<String>::new());
        (seen.take(), simulation.trace())
    }

    #[test]
    fn one_seed_gives_one_trace() {
        assert_eq!(counting(42), counting(42));
    }

    #[test]
    fn another_seed_gives_another_order() {
        assert_ne!(counting(42).0, counting(43).0);
    }

    #[test]
    fn an_evicted_task_stops_where_it_stands() {
        let simulation = Simulation::new(1);
        let reached = Rc::new(RefCell::new(0));
        let inside = reached.clone();
        let task = simulation.spawn("evicted", async move {
            *inside.borrow_mut() += 1;
            yield_now().await;
            *inside.borrow_mut() += 1;
        });
        simulation.step();
        simulation.evict(task);
        assert!(!simulation.step());
        assert!(simulation.has_ended(task));
        assert_eq!(*reached.borrow(), 1);
    }

    #[test]
    fn a_task_that_dies_at_a_named_place_is_reported_and_the_others_go_on() {
        let simulation = Simulation::new(1);
        let task = simulation.spawn("doomed", async {
            yield_now().await;
            lake_host::fault!("test: in the middle");
            panic!("it went on");
        });
        let reached = Rc::new(RefCell::new(false));
        let inside = reached.clone();
        simulation.spawn("other", async move { *inside.borrow_mut() = true });
        lake_host::arm_fault("test: in the middle", 0);
        simulation.run_until_idle(10);
        assert_eq!(simulation.take_deaths(), [(task, Died("test: in the middle"))]);
        assert!(*reached.borrow() && simulation.has_ended(task));
    }

    #[test]
    fn a_task_can_start_another() {
        let simulation = Simulation::new(1);
        let (inner, reached) = (simulation.clone(), Rc::new(RefCell::new(false)));
        let inside = reached.clone();
        simulation.spawn("first", async move {
            inner.spawn("second", async move { *inside.borrow_mut() = true });
        });
        assert_eq!(simulation.run_until_idle(10), 2);
        assert!(*reached.borrow());
    }

    #[test]
    fn a_task_that_waits_for_ever_leaves_the_simulation_idle() {
        let simulation = Simulation::new(1);
        simulation.spawn("waiting", std::future::pending());
        assert_eq!(simulation.run_until_idle(10), 1);
        assert_eq!(simulation.waiting(), ["waiting"]);
    }
}
