//! Runs futures on one thread in an order that a seed decides.
//!
//! One seed gives one schedule, so a failing run can be repeated. Dropping a task in the middle is an eviction at an
//! `await`: everything it held in memory is gone, and what it had stored is not.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use crate::SeededRandom;

/// A task of a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskId(usize);

type TaskFuture = Pin<Box<dyn Future<Output = ()>>>;

struct Task {
    name: String,
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
    tasks: RefCell<Vec<Task>>,
    random: SeededRandom,
    trace: RefCell<Vec<String>>,
}

/// A set of tasks and the seed that schedules them. A clone is the same set, so that a task can start others.
#[derive(Clone)]
pub struct Simulation {
    inner: Rc<Inner>,
}

impl Simulation {
    /// An empty simulation.
    pub fn new(seed: u64) -> Simulation {
        let inner = Inner { tasks: RefCell::default(), random: SeededRandom::new(seed), trace: RefCell::default() };
        Simulation { inner: Rc::new(inner) }
    }

    /// The randomness of this simulation, for workloads and faults.
    pub fn random(&self) -> SeededRandom {
        self.inner.random.clone()
    }

    /// Starts a task; it runs when it is its turn.
    pub fn spawn(&self, name: impl Into<String>, future: impl Future<Output = ()> + 'static) -> TaskId {
        let ready = Arc::new(Ready(AtomicBool::new(true)));
        let mut tasks = self.inner.tasks.borrow_mut();
        tasks.push(Task { name: name.into(), future: Some(Box::pin(future)), ready });
        TaskId(tasks.len() - 1)
    }

    /// Drops a task where it stands.
    pub fn evict(&self, task: TaskId) {
        let future = self.inner.tasks.borrow_mut().get_mut(task.0).and_then(|task| task.future.take());
        if let Some(future) = future {
            self.note(task.0, "evicted");
            // Dropped after the borrow: a destructor may start another task.
            drop(future);
        }
    }

    /// True once a task has ended or was evicted.
    pub fn has_ended(&self, task: TaskId) -> bool {
        self.inner.tasks.borrow().get(task.0).is_none_or(|task| task.future.is_none())
    }

    /// Polls one of the ready tasks; false if there is none.
    pub fn step(&self) -> bool {
        let Some((index, mut future, ready)) = self.choose() else { return false };
        ready.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(ready);
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(()) => self.note(index, "ended"),
            Poll::Pending => {
                self.note(index, "ran");
                if let Some(task) = self.inner.tasks.borrow_mut().get_mut(index) {
                    task.future = Some(future);
                }
            }
        }
        true
    }

    /// Steps until nothing is ready or `steps_max` are done; answers how many were done. Tasks that still wait are left.
    pub fn run_until_idle(&self, steps_max: usize) -> usize {
        (0..steps_max).take_while(|_| self.step()).count()
    }

    /// The names of the tasks that have not ended.
    pub fn waiting(&self) -> Vec<String> {
        let tasks = self.inner.tasks.borrow();
        tasks.iter().filter(|task| task.future.is_some()).map(|task| task.name.clone()).collect()
    }

    /// What happened so far, one line a step: two runs of one seed give the same.
    pub fn trace(&self) -> Vec<String> {
        self.inner.trace.borrow().clone()
    }

    fn choose(&self) -> Option<(usize, TaskFuture, Arc<Ready>)> {
        let mut tasks = self.inner.tasks.borrow_mut();
        let is_ready = |task: &Task| task.future.is_some() && task.ready.0.load(Ordering::Relaxed);
        let ready: Vec<usize> = (0..tasks.len()).filter(|index| is_ready(&tasks[*index])).collect();
        if ready.is_empty() {
            return None;
        }
        let index = ready[self.inner.random.below(ready.len())];
        let task = &mut tasks[index];
        Some((index, task.future.take()?, task.ready.clone()))
    }

    fn note(&self, index: usize, what: &str) {
        let line = format!("{} {what}", self.inner.tasks.borrow()[index].name);
        self.inner.trace.borrow_mut().push(line);
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
