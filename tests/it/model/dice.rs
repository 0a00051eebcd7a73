//! Chance that a seed repeats.

/// Small, and the same on every machine.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        // Drawn once, so that neighbouring seeds have nothing in common.
        Self(Self(seed).next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        it ^ (it >> 31)
    }

    /// A number from `least` to `most`.
    pub fn within(&mut self, least: i64, most: i64) -> i64 {
        let span = most.abs_diff(least) + 1;
        least + i64::try_from(self.next() % span).expect("it is within the span")
    }

    /// Whether something happens that happens `percent` times in a hundred.
    pub fn percent(&mut self, percent: i64) -> bool {
        self.within(1, 100) <= percent
    }

    /// One of `these`, if there is one.
    pub fn maybe<T: Clone>(&mut self, these: &[T]) -> Option<T> {
        let last = i64::try_from(these.len()).expect("few") - 1;
        let at = usize::try_from(self.within(0, last.max(0))).expect("not negative");
        these.get(at).cloned()
    }

    /// One of `these`, of which there is one at least.
    pub fn one<T: Clone>(&mut self, these: &[T]) -> T {
        self.maybe(these).expect("there is one")
    }

    /// One of the values, each as often as its weight says.
    pub fn weighted<T: Copy>(&mut self, these: &[(i64, T)]) -> T {
        let mut left = self.within(1, these.iter().map(|(weight, _)| weight).sum());
        for &(weight, it) in these {
            left -= weight;
            if left <= 0 {
                return it;
            }
        }
        unreachable!("the weights add up")
    }
}
