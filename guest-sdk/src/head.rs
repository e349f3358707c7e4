//! Heads as they cross the boundary: one block of bytes, read only where it is
//! asked.
//!
//! The format is the one of `wit/types.wit`: integers are 32 bits, little
//! endian; a text is its length and its bytes. A block that ends early reads as
//! empty texts from there on and never panics.

/// Walks over a block.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(block: &'a [u8]) -> Self {
        Self { rest: block }
    }

    fn number(&mut self) -> u32 {
        match self.rest.split_first_chunk::<4>() {
            Some((number, rest)) => {
                self.rest = rest;
                u32::from_le_bytes(*number)
            }
            None => {
                self.rest = &[];
                0
            }
        }
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = self.number() as usize;
        match self.rest.split_at_checked(length) {
            Some((bytes, rest)) => {
                self.rest = rest;
                bytes
            }
            None => {
                self.rest = &[];
                &[]
            }
        }
    }

    fn text(&mut self) -> &'a str {
        str::from_utf8(self.bytes()).unwrap_or_default()
    }
}

/// A request head block.
#[derive(Clone)]
pub(crate) struct Head(Vec<u8>);

impl Head {
    pub(crate) fn new(block: Vec<u8>) -> Self {
        Self(block)
    }

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn encode(verb: &str, path: &str, query: &str, params: &[&str]) -> Vec<u8> {
        let mut block = Vec::with_capacity(64);
        for text in [verb, path, query] {
            push_bytes(&mut block, text.as_bytes());
        }
        push_number(&mut block, params.len());
        for param in params {
            push_bytes(&mut block, param.as_bytes());
        }
        block
    }

    pub(crate) fn verb(&self) -> &str {
        self.skip(0).text()
    }

    pub(crate) fn path(&self) -> &str {
        self.skip(1).text()
    }

    pub(crate) fn query(&self) -> &str {
        self.skip(2).text()
    }

    /// The captured segments, in the order of the pattern.
    pub(crate) fn params(&self) -> impl Iterator<Item = &str> + Clone {
        self.param_bytes().map(|param| str::from_utf8(param).unwrap_or_default())
    }

    /// As [`params`](Self::params), for what need not be text first.
    pub(crate) fn param_bytes(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let mut reader = self.skip(3);
        let count = reader.number();
        (0..count).map(move |_| reader.bytes())
    }

    /// What is left after the parameters: a pairs block.
    pub(crate) fn headers(&self) -> &[u8] {
        let mut reader = self.skip(3);
        for _ in 0..reader.number() {
            if reader.rest.is_empty() {
                break;
            }
            reader.bytes();
        }
        reader.rest
    }

    fn skip(&self, texts: usize) -> Reader<'_> {
        let mut reader = Reader::new(&self.0);
        for _ in 0..texts {
            reader.bytes();
        }
        reader
    }
}

/// The pairs of a pairs block, in order.
pub(crate) fn pairs(block: &[u8]) -> impl Iterator<Item = (&str, &[u8])> {
    let mut reader = Reader::new(block);
    let count = reader.number();
    (0..count).map_while(move |_| {
        (!reader.rest.is_empty()).then(|| {
            let name = reader.text();
            (name, reader.bytes())
        })
    })
}

/// A pairs block that grows; always valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pairs(Vec<u8>);

impl Pairs {
    pub(crate) fn new() -> Self {
        Self(vec![0; 4])
    }

    /// A block of one pair.
    pub(crate) fn of(name: &str, value: &[u8]) -> Self {
        let mut block = Vec::with_capacity(12 + name.len() + value.len());
        push_number(&mut block, 1);
        push_bytes(&mut block, name.as_bytes());
        push_bytes(&mut block, value);
        Self(block)
    }

    /// Takes over a block of a host; what follows the last pair goes away.
    pub(crate) fn from_block(block: &[u8]) -> Self {
        let mut reader = Reader::new(block);
        for _ in 0..reader.number() {
            if reader.rest.is_empty() {
                break;
            }
            reader.bytes();
            reader.bytes();
        }
        let end = block.len() - reader.rest.len();
        match block.get(..end) {
            Some(whole) if whole.len() >= 4 => Self(whole.to_vec()),
            _ => Self::new(),
        }
    }

    pub(crate) fn push(&mut self, name: &str, value: &[u8]) {
        self.0.reserve(8 + name.len() + value.len());
        push_bytes(&mut self.0, name.as_bytes());
        push_bytes(&mut self.0, value);
        if let Some(count) = self.0.first_chunk_mut::<4>() {
            *count = u32::from_le_bytes(*count).wrapping_add(1).to_le_bytes();
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        pairs(&self.0)
    }

    pub(crate) fn len(&self) -> usize {
        Reader::new(&self.0).number() as usize
    }

    pub(crate) fn as_block(&self) -> &[u8] {
        &self.0
    }

    #[cfg_attr(not(target_family = "wasm"), allow(dead_code, reason = "only a host takes blocks"))]
    pub(crate) fn into_block(self) -> Vec<u8> {
        self.0
    }
}

fn push_number(block: &mut Vec<u8>, number: usize) {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    block.extend_from_slice(&number.to_le_bytes());
}

fn push_bytes(block: &mut Vec<u8>, bytes: &[u8]) {
    push_number(block, bytes.len());
    block.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        let mut pairs = Pairs::new();
        pairs.push("accept", b"*/*");
        pairs.push("x-raw", &[0xff, 0xfe]);
        let mut block = Head::encode("GET", "/add/40/%32", "a=1&b=2", &["40", "2"]);
        block.extend_from_slice(pairs.as_block());
        Head::new(block)
    }

    #[test]
    fn every_field_of_a_head_comes_back() {
        let head = head();
        assert_eq!(head.verb(), "GET");
        assert_eq!(head.path(), "/add/40/%32");
        assert_eq!(head.query(), "a=1&b=2");
        assert_eq!(head.params().collect::<Vec<_>>(), ["40", "2"]);
        let headers: Vec<_> = pairs(head.headers()).collect();
        assert_eq!(headers, [("accept", &b"*/*"[..]), ("x-raw", &[0xff, 0xfe])]);
    }

    #[test]
    fn the_layout_is_the_one_of_the_contract() {
        assert_eq!(
            Head::encode("GET", "/", "", &["7"]),
            b"\x03\0\0\0GET\x01\0\0\0/\0\0\0\0\x01\0\0\0\x01\0\0\x007"
        );
        let mut pairs = Pairs::new();
        pairs.push("a", b"bc");
        assert_eq!(pairs.as_block(), b"\x01\0\0\0\x01\0\0\0a\x02\0\0\0bc");
        assert_eq!(Pairs::new().as_block(), [0; 4]);
    }

    #[test]
    fn a_block_cut_anywhere_reads_without_a_panic() {
        let whole = head().0;
        for end in 0..whole.len() {
            let head = Head::new(whole[..end].to_vec());
            let _ = (head.verb(), head.path(), head.query(), head.params().count());
            let _ = pairs(head.headers()).count();
            let _ = Pairs::from_block(head.headers()).iter().count();
        }
        assert_eq!(pairs(&[0xff; 4]).count(), 0, "a count without pairs is no pairs");
    }

    #[test]
    fn what_follows_the_last_field_is_ignored() {
        let mut pairs = Pairs::new();
        pairs.push("a", b"b");
        let mut block = pairs.as_block().to_vec();
        block.extend_from_slice(b"from a later minor version");
        assert_eq!(Pairs::from_block(&block), pairs);
    }
}
