//! Heads as one block of bytes: the layout of `wit/types.wit`.

use crate::call::CallHead;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Why a block from a guest cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BlockError {
    #[error("block ends in the middle of a field")]
    Short,
    #[error("block has a header whose name or value HTTP does not allow")]
    BadHeader,
    #[error("block has a text that is not UTF-8")]
    NotUtf8,
    #[error("block counts more fields than its bytes can hold")]
    BadCount,
}

/// Path parameters, as a request head carries them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params {
    count: usize,
    texts: Vec<u8>,
}

impl Params {
    /// None yet, with room for so many bytes of text.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { count: 0, texts: Vec::with_capacity(bytes) }
    }

    /// Adds the next one.
    pub(crate) fn push(&mut self, text: &str) {
        self.count += 1;
        put_text(&mut self.texts, text.as_bytes());
    }
}

impl<T: AsRef<str>> FromIterator<T> for Params {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let mut params = Self::default();
        for text in texts {
            params.push(text.as_ref());
        }
        params
    }
}

/// Writes a request head.
pub(crate) fn encode_request(head: &CallHead) -> Vec<u8> {
    let headers: usize =
        head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 8).sum();
    let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
    let size = headers
        + head.params.texts.len()
        + path.len()
        + query.len()
        + head.verb.as_str().len()
        + 20;
    let mut block = Vec::with_capacity(size);
    put_text(&mut block, head.verb.as_str().as_bytes());
    put_text(&mut block, path.as_bytes());
    put_text(&mut block, query.as_bytes());
    put_count(&mut block, head.params.count);
    block.extend_from_slice(&head.params.texts);
    put_count(&mut block, head.headers.len());
    for (name, value) in &head.headers {
        put_text(&mut block, name.as_str().as_bytes());
        put_text(&mut block, value.as_bytes());
    }
    block
}

/// Writes headers as a pairs block, which is a response head.
pub(crate) fn encode_headers(headers: &HeaderMap) -> Vec<u8> {
    let mut block = Vec::with_capacity(64);
    put_count(&mut block, headers.len());
    for (name, value) in headers {
        put_text(&mut block, name.as_str().as_bytes());
        put_text(&mut block, value.as_bytes());
    }
    block
}

/// Reads headers from a pairs block. An empty block has none.
pub(crate) fn decode_headers(block: &[u8]) -> Result<HeaderMap, BlockError> {
    let mut headers = HeaderMap::new();
    for_each_pair(block, |name, value| {
        let name = HeaderName::from_bytes(name).map_err(|_| BlockError::BadHeader)?;
        let value = HeaderValue::from_bytes(value).map_err(|_| BlockError::BadHeader)?;
        headers.append(name, value);
        Ok(())
    })?;
    Ok(headers)
}

/// Reads texts from a pairs block. An empty block has none.
pub(crate) fn decode_pairs(block: &[u8]) -> Result<Vec<(String, String)>, BlockError> {
    let mut pairs = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| BlockError::NotUtf8);
    for_each_pair(block, |name, value| {
        pairs.push((text(name)?, text(value)?));
        Ok(())
    })?;
    Ok(pairs)
}

fn for_each_pair(
    block: &[u8],
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), BlockError>,
) -> Result<(), BlockError> {
    if block.is_empty() {
        return Ok(());
    }
    let mut rest = block;
    let count = take_count(&mut rest)?;
    // The smallest pair is two empty texts.
    if rest.len() / 8 < count {
        return Err(BlockError::BadCount);
    }
    for _ in 0..count {
        let name = take_text(&mut rest)?;
        let value = take_text(&mut rest)?;
        each(name, value)?;
    }
    Ok(())
}

fn put_count(block: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    block.extend_from_slice(&count.to_le_bytes());
}

fn put_text(block: &mut Vec<u8>, text: &[u8]) {
    put_count(block, text.len());
    block.extend_from_slice(text);
}

fn take_count(rest: &mut &[u8]) -> Result<usize, BlockError> {
    let (count, after) = rest.split_first_chunk::<4>().ok_or(BlockError::Short)?;
    *rest = after;
    Ok(u32::from_le_bytes(*count) as usize)
}

fn take_text<'b>(rest: &mut &'b [u8]) -> Result<&'b [u8], BlockError> {
    let len = take_count(rest)?;
    let (text, after) = rest.split_at_checked(len).ok_or(BlockError::Short)?;
    *rest = after;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_head_has_the_documented_layout() {
        let mut headers = HeaderMap::new();
        headers.insert("a", HeaderValue::from_static("b"));
        let head = CallHead {
            verb: http::Method::GET,
            uri: http::Uri::from_static("/p?q=1"),
            params: ["x"].into_iter().collect(),
            headers,
        };
        let expected = b"\x03\0\0\0GET\x02\0\0\0/p\x03\0\0\0q=1\x01\0\0\0\x01\0\0\0x\
            \x01\0\0\0\x01\0\0\0a\x01\0\0\0b";
        assert_eq!(encode_request(&head), expected);
    }

    #[test]
    fn broken_blocks_are_told_apart() {
        assert_eq!(decode_pairs(b""), Ok(vec![]));
        assert_eq!(decode_pairs(b"\x01"), Err(BlockError::Short));
        assert_eq!(decode_pairs(b"\xff\xff\xff\xff"), Err(BlockError::BadCount));
        let newline = b"\x01\0\0\0\x01\0\0\0a\x01\0\0\0\n";
        assert_eq!(decode_headers(newline), Err(BlockError::BadHeader));
        let short = b"\x01\0\0\0\x09\0\0\0a\x01\0\0\0b";
        assert_eq!(decode_headers(short), Err(BlockError::Short));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode_headers(&bytes);
            let _ = decode_pairs(&bytes);
        }

        #[test]
        fn pairs_come_back(pairs in proptest::collection::vec(("[a-z]{1,9}", "[ -~]{0,9}"), 0..9)) {
            let mut block = Vec::new();
            put_count(&mut block, pairs.len());
            for (name, value) in &pairs {
                put_text(&mut block, name.as_bytes());
                put_text(&mut block, value.as_bytes());
            }
            prop_assert_eq!(decode_pairs(&block), Ok(pairs));
        }
    }
}
