//! PURE. A set as a list in order: saves are a few thousand at most, and a tree costs the program 5 KB more.

use std::ops::Deref;
use std::slice::Iter;
use std::vec::IntoIter;

use serde::Serialize;

/// A set, read as a slice in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Set<T>(Vec<T>);

impl<T: Ord> Set<T> {
    /// Adds a value; false if it is there already.
    pub fn insert(&mut self, value: T) -> bool {
        match self.0.binary_search(&value) {
            Ok(_) => false,
            Err(at) => {
                self.0.insert(at, value);
                true
            }
        }
    }

    /// Takes a value out; false if it is not there.
    pub fn remove(&mut self, value: &T) -> bool {
        self.0.binary_search(value).map(|at| self.0.remove(at)).is_ok()
    }

    /// Is it there?
    pub fn contains(&self, value: &T) -> bool {
        self.0.binary_search(value).is_ok()
    }
}

impl<T> Default for Set<T> {
    fn default() -> Set<T> {
        Set(Vec::new())
    }
}

impl<T> Deref for Set<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Ord> Extend<T> for Set<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        self.0.extend(values);
        self.0.sort_unstable();
        self.0.dedup();
    }
}

impl<T: Ord> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Set<T> {
        let mut set = Set::default();
        set.extend(values);
        set
    }
}

impl<T> IntoIterator for Set<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        self.0.into_iter()
    }
}

impl<'s, T> IntoIterator for &'s Set<T> {
    type Item = &'s T;
    type IntoIter = Iter<'s, T>;

    fn into_iter(self) -> Iter<'s, T> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_there_once_and_in_order() {
        let mut set: Set<u8> = [3, 1, 3].into_iter().collect();
        assert!(set.insert(2) && !set.insert(1) && set.remove(&3) && !set.remove(&9));
        set.extend([0, 2]);
        assert_eq!((set.to_vec(), set.contains(&2), set.contains(&3)), (vec![0, 1, 2], true, false));
    }
}
