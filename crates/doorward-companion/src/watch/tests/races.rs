//! Pages that come and go while watches end, in the orders that shuttle finds.

use std::collections::HashMap;
use std::sync::Arc;

use shuttle::sync::Mutex;
use shuttle::thread;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::defaults;
use crate::watch::message::Gone;
use crate::watch::platform::{Sign, Signal, Watch};
use crate::watch::table::{Joined, Table, Taken};

/// Orders that are tried of each case.
const ORDERS: usize = 3_000;

/// The kernel's half: one watch for each folder, whoever asks.
#[derive(Default)]
struct Kernel {
    last: Watch,
    watches: HashMap<u64, Watch>,
    /// What it has said and nobody has heard.
    said: Vec<Signal>,
    /// What was taken from it, and is not noted yet.
    taken: Vec<Signal>,
}

impl Kernel {
    fn watch(&mut self, folder: u64) -> Watch {
        *self.watches.entry(folder).or_insert_with(|| {
            self.last += 1;
            self.last
        })
    }

    fn end(&mut self, watch: Watch) {
        self.watches.retain(|_, own| *own != watch);
        self.say(watch);
    }

    /// The folder is removed; another may have its number next.
    fn remove(&mut self, folder: u64) {
        if let Some(watch) = self.watches.remove(&folder) {
            self.say(watch);
        }
    }

    fn say(&mut self, watch: Watch) {
        let sign = Sign::Gone(Gone::Removed);
        self.said.push(Signal { watch, sign });
    }
}

struct House {
    table: Mutex<Table>,
    kernel: Mutex<Kernel>,
    now: Instant,
}

impl House {
    fn join(&self, folder: u64) -> Option<Taken> {
        let mut made = 0;
        for _ in 0..defaults::WATCH_TRIES {
            let seen = self.table.lock().unwrap().seen();
            let watch = self.kernel.lock().unwrap().watch(folder);
            made = watch;
            let mut over = None;
            let mut table = self.table.lock().unwrap();
            match table.join(watch, seen, &Arc::new(Notify::new()), &mut over) {
                Joined::Taken(taken) => {
                    assert!(over.is_none());
                    // Watched, or it will hear that it is not.
                    let kernel = self.kernel.lock().unwrap();
                    let watched = kernel.watches.get(&folder) == Some(&watch);
                    let mut said = kernel.said.iter().chain(&kernel.taken);
                    let told = said.any(|signal| signal.watch == watch);
                    assert!(watched || told, "a seat at a watch that ended in silence");
                    return Some(taken);
                }
                Joined::Again => {}
                Joined::Full => unreachable!("there is place for two"),
            }
        }
        let mut table = self.table.lock().unwrap();
        if table.gives_up(made) {
            self.kernel.lock().unwrap().end(made);
        }
        None
    }

    fn leave(&self, taken: &Taken) {
        let mut table = self.table.lock().unwrap();
        table.leave(taken.directory, taken.seat, self.now);
    }

    /// Ends what was left, however short ago.
    fn sweep(&self) {
        let mut table = self.table.lock().unwrap();
        for over in table.end_left(self.now + defaults::WATCH_LINGER) {
            self.kernel.lock().unwrap().end(over);
        }
    }

    fn hear(&self) {
        let mut kernel = self.kernel.lock().unwrap();
        let said = std::mem::take(&mut kernel.said);
        kernel.taken.clone_from(&said);
        drop(kernel);
        for signal in said {
            let mut table = self.table.lock().unwrap();
            let taken = signal.clone();
            table.note(signal, self.now);
            let mut kernel = self.kernel.lock().unwrap();
            kernel.taken.retain(|own| *own != taken);
        }
    }
}

fn explore(also: fn(&House)) {
    shuttle::check_random(
        move || {
            let house = Arc::new(House {
                table: Mutex::new(Table::new()),
                kernel: Mutex::default(),
                now: Instant::now(),
            });
            let run = |work: fn(&House)| {
                let house = Arc::clone(&house);
                thread::spawn(move || work(&house))
            };
            let visit = |house: &House| {
                for folder in [7, 7, 8] {
                    if let Some(taken) = house.join(folder) {
                        thread::yield_now();
                        house.leave(&taken);
                    }
                }
            };
            let threads = [run(visit), run(visit), run(House::sweep), run(also)];
            for thread in threads {
                thread.join().unwrap();
            }
            house.hear();
            house.sweep();
            house.hear();
            let counts = house.table.lock().unwrap().counts();
            assert_eq!(counts, (0, 0, 0));
            let watches = &house.kernel.lock().unwrap().watches;
            assert!(watches.is_empty(), "{watches:?} leaked");
        },
        ORDERS,
    );
}

#[test]
fn r10_no_order_of_coming_and_going_leaks_a_watch() {
    explore(House::sweep);
}

#[test]
fn r10_nor_does_a_folder_that_is_removed_meanwhile() {
    explore(|house| {
        house.kernel.lock().unwrap().remove(7);
        house.hear();
    });
}
