//! Many requests at once.

use std::sync::Mutex;

use crate::client::{Request, Response};

/// Sends `count` requests over `workers` threads, a connection each; answers come in no order.
pub fn parallel(workers: usize, count: usize, request: impl Fn(usize) -> Request + Sync) -> Vec<Response> {
    let numbers = Mutex::new(0..count);
    let answers = Mutex::new(Vec::with_capacity(count));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let Some(number) = numbers.lock().unwrap().next() else { return };
                    let answer = request(number).send();
                    answers.lock().unwrap().push(answer);
                }
            });
        }
    });
    answers.into_inner().unwrap()
}
