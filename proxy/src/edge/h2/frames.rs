//! The frames that a client sends, looked at as they pass: those that cost it nothing and us some work are counted.
//!
//! The library bounds what it keeps in memory. It answers any number of pings and settings, and a stream that is taken up
//! and then reset has cost a request to an upstream.

use std::collections::VecDeque;
use std::time::Duration;

/// Bytes before the first frame.
const PREFACE_BYTES: usize = 24;
/// Of a frame, before its payload.
const HEAD_BYTES: usize = 9;

/// Frames that carry nothing of a request, at once; then one a millisecond, and one for each [`ANSWER_BYTES`] that we
/// send, as clients answer data with windows and measure by pings.
const CONTROL_MAX: u64 = 4000;
/// See [`CONTROL_MAX`].
const ANSWER_BYTES: u64 = 32;

/// Streams that are reset within this time of their beginning count, whatever they were answered by then.
const YOUNG: Duration = Duration::from_secs(1);
/// So many of them may be, and half of all streams of the connection.
const YOUNG_RESETS_MAX: u64 = 100;
/// Young streams that are remembered; of more the oldest are forgotten, and are not counted when they are reset.
const REMEMBERED_MAX: usize = 512;

/// What is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flood {
    /// Frames that carry nothing of a request.
    Control,
    /// Streams that are begun and reset.
    Resets,
}

/// What came so far on one connection.
#[derive(Debug)]
pub(super) struct Frames {
    /// The head of a frame as far as it came.
    head: [u8; HEAD_BYTES],
    head_bytes: usize,
    /// Of a payload that still comes.
    passing: usize,
    control: Control,
    streams: Streams,
}

impl Frames {
    /// Before the preface; `now` is on the clock that never goes back.
    pub(super) fn new(now: Duration) -> Self {
        let control = Control { left: CONTROL_MAX, since: now };
        Self { head: [0; HEAD_BYTES], head_bytes: 0, passing: PREFACE_BYTES, control, streams: Streams::default() }
    }

    /// The client sent these bytes; what is too much now, the first of it.
    pub(super) fn came(&mut self, mut bytes: &[u8], now: Duration) -> Option<Flood> {
        let mut flood = None;
        while !bytes.is_empty() {
            let passed = self.passing.min(bytes.len());
            self.passing -= passed;
            bytes = bytes.get(passed..).unwrap_or_default();
            let Some((byte, rest)) = bytes.split_first() else { break };
            if let Some(place) = self.head.get_mut(self.head_bytes) {
                *place = *byte;
            }
            self.head_bytes += 1;
            bytes = rest;
            if self.head_bytes == HEAD_BYTES {
                flood = flood.or(self.frame(now));
            }
        }
        flood
    }

    /// We sent so many bytes.
    pub(super) fn answered(&mut self, bytes: usize) {
        self.control.earn(bytes as u64 / ANSWER_BYTES);
    }

    fn frame(&mut self, now: Duration) -> Option<Flood> {
        let [high, middle, low, kind, flags, stream @ ..] = self.head;
        self.head_bytes = 0;
        self.passing = u32::from_be_bytes([0, high, middle, low]) as usize;
        // The first bit is reserved.
        let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
        let is_request = match kind {
            DATA => self.passing > 0 || flags & END_STREAM != 0,
            HEADERS => self.streams.begins(stream, now),
            CONTINUATION => self.passing > 0,
            RST_STREAM => self.streams.is_young(stream, now),
            _ => false,
        };
        if kind == RST_STREAM && is_request {
            return self.streams.is_flooded().then_some(Flood::Resets);
        }
        (!is_request && !self.control.takes(now)).then_some(Flood::Control)
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;

/// Room for frames that carry nothing.
#[derive(Debug)]
struct Control {
    left: u64,
    since: Duration,
}

impl Control {
    fn earn(&mut self, frames: u64) {
        self.left = self.left.saturating_add(frames).min(CONTROL_MAX);
    }

    fn takes(&mut self, now: Duration) -> bool {
        let passed = now.saturating_sub(self.since);
        self.since = now - Duration::from_nanos(u64::from(passed.subsec_nanos() % 1_000_000));
        self.earn(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX));
        let before = self.left;
        self.left = before.saturating_sub(1);
        before > 0
    }
}

/// Streams that the client began.
#[derive(Debug, Default)]
struct Streams {
    newest: u32,
    begun: u64,
    reset: u64,
    /// In the order of their numbers, and so of their beginnings.
    young: VecDeque<(u32, Duration)>,
}

impl Streams {
    /// False for what begins none: a trailer's head, or a number that was there before.
    fn begins(&mut self, stream: u32, now: Duration) -> bool {
        if stream <= self.newest {
            return false;
        }
        self.newest = stream;
        self.begun += 1;
        if self.young.len() == REMEMBERED_MAX {
            self.young.pop_front();
        }
        self.young.push_back((stream, now));
        true
    }

    /// It is reset; whether it began lately.
    fn is_young(&mut self, stream: u32, now: Duration) -> bool {
        let is_old = |(_, began): &(u32, Duration)| now.saturating_sub(*began) > YOUNG;
        while self.young.front().is_some_and(is_old) {
            self.young.pop_front();
        }
        let Ok(at) = self.young.binary_search_by_key(&stream, |(number, _)| *number) else { return false };
        self.young.remove(at);
        self.reset += 1;
        true
    }

    fn is_flooded(&self) -> bool {
        self.reset > YOUNG_RESETS_MAX && self.reset > self.begun / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: u8 = 6;
    const SETTINGS: u8 = 4;
    const WINDOW_UPDATE: u8 = 8;

    fn frame(kind: u8, flags: u8, stream: u32, length: usize) -> Vec<u8> {
        let bytes = u32::try_from(length).unwrap().to_be_bytes();
        [&bytes[1..], &[kind, flags], &stream.to_be_bytes(), &vec![0xff; length]].concat()
    }

    fn begun() -> Frames {
        let mut frames = Frames::new(Duration::ZERO);
        assert_eq!(frames.came(&[0xff; PREFACE_BYTES], Duration::ZERO), None);
        frames
    }

    /// How many of them are let pass, sent `step` bytes at a time.
    fn passed(frames: &mut Frames, one: &[u8], step: usize, now: Duration) -> u64 {
        let all = one.repeat(6000);
        let mut flooded = 0;
        for part in all.chunks(step) {
            if frames.came(part, now).is_some() {
                break;
            }
            flooded += part.len();
        }
        (flooded / one.len()) as u64
    }

    #[test]
    fn frames_that_carry_nothing_are_counted_whatever_they_are_and_however_they_come() {
        for (kind, length) in [(PING, 8), (SETTINGS, 0), (WINDOW_UPDATE, 4), (DATA, 0), (CONTINUATION, 0), (77, 3)] {
            let one = frame(kind, 0, 0, length);
            for step in [1, one.len()] {
                assert_eq!(passed(&mut begun(), &one, step, Duration::ZERO), CONTROL_MAX, "{kind} {step}");
            }
        }
        let mut frames = begun();
        assert_eq!(frames.came(&frame(DATA, 0, 1, 1).repeat(6000), Duration::ZERO), None);
        assert_eq!(frames.came(&frame(DATA, END_STREAM, 1, 0).repeat(6000), Duration::ZERO), None);
    }

    #[test]
    fn time_and_what_we_send_make_room_for_more_of_them() {
        let ping = frame(PING, 0, 0, 8);
        let mut frames = begun();
        assert_eq!(passed(&mut frames, &ping, ping.len(), Duration::ZERO), CONTROL_MAX);
        assert_eq!(passed(&mut frames, &ping, ping.len(), Duration::from_millis(250)), 250);
        frames.answered(3200);
        assert_eq!(passed(&mut frames, &ping, ping.len(), Duration::from_millis(250)), 100);
        assert_eq!(
            passed(&mut frames, &ping, ping.len(), Duration::from_secs(3600)),
            CONTROL_MAX,
            "and no more than that"
        );
        // Less than a millisecond each time is not lost.
        let later = |tenths: u64| Duration::from_secs(7200) + Duration::from_micros(100 * tenths);
        assert_eq!(passed(&mut frames, &ping, ping.len(), later(0)), CONTROL_MAX);
        let taken = (1..=1000).filter(|tenths| frames.came(&ping, later(*tenths)).is_none()).count();
        assert_eq!(taken, 100);
    }

    #[test]
    fn streams_that_are_reset_at_once_are_counted_and_old_ones_are_not() {
        let reset = |frames: &mut Frames, number: u32, after: Duration| {
            let at = YOUNG * 3 * number;
            let stream = number * 2 + 1;
            assert_eq!(frames.came(&frame(HEADERS, 5, stream, 20), at), None);
            frames.came(&frame(RST_STREAM, 0, stream, 4), at + after)
        };
        let mut frames = begun();
        let first = (0..1000).find(|number| reset(&mut frames, *number, YOUNG / 2).is_some());
        assert_eq!(first.map(u64::from), Some(YOUNG_RESETS_MAX));
        let mut frames = begun();
        assert_eq!((0..1000).find_map(|number| reset(&mut frames, number, YOUNG * 2)), None);
    }

    #[test]
    fn the_bit_before_a_streams_number_is_not_of_it() {
        const RESERVED: u32 = 1 << 31;
        for [of_head, of_reset] in [[RESERVED, 0], [0, RESERVED]] {
            let mut frames = begun();
            let first = (0..1000).map(|number| number * 2 + 1).find(|stream| {
                assert_eq!(frames.came(&frame(HEADERS, 5, stream | of_head, 20), Duration::ZERO), None);
                frames.came(&frame(RST_STREAM, 0, stream | of_reset, 4), Duration::ZERO).is_some()
            });
            assert_eq!(first.map(|stream| u64::from(stream / 2)), Some(YOUNG_RESETS_MAX));
        }
    }

    #[test]
    fn resets_may_be_half_of_all_streams() {
        let mut frames = begun();
        for number in 0..2000 {
            let stream = number * 2 + 1;
            assert_eq!(frames.came(&frame(HEADERS, 5, stream, 20), Duration::ZERO), None);
            if number % 2 == 1 {
                assert_eq!(frames.came(&frame(RST_STREAM, 0, stream, 4), Duration::ZERO), None, "{number}");
            }
        }
    }

    #[test]
    fn what_is_remembered_of_streams_has_a_bound() {
        let mut frames = begun();
        for number in 0..10_000 {
            frames.came(&frame(HEADERS, 5, number * 2 + 1, 20), Duration::ZERO);
        }
        assert_eq!(frames.streams.young.len(), REMEMBERED_MAX);
    }

    #[test]
    fn any_bytes_have_an_end() {
        crate::fuzz::fuzz(
            &[&frame(PING, 0, 0, 8), &frame(HEADERS, 5, 1, 20)],
            &[&frame(RST_STREAM, 0, 1, 4)],
            |bytes| {
                let (mut whole, mut parts) = (begun(), begun());
                let at_once = whole.came(bytes, Duration::ZERO);
                let in_parts = bytes.chunks(3).find_map(|part| parts.came(part, Duration::ZERO));
                assert_eq!(at_once, in_parts);
                at_once.is_none()
            },
        );
    }
}
