//! Answers that leave compressed, for clients that take that.
//!
//! Nothing is held back: what is there goes out as soon as its service has no
//! more at the moment. A part is compressed at a time, so that a large answer
//! leaves its thread to others in between.

use crate::fault::Fault;
use crate::http::respond::{Chunks, Respond};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::{Stream, StreamExt};
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, VARY,
};
use http::{Method, Request, Response, StatusCode};
use std::io::Write;
use std::mem::take;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What a client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gzip {
    Wanted,
    Unwanted,
}

/// What is shorter is sent as it is.
const BYTES_MIN: usize = 1_024;
/// Bytes that are compressed at once.
const PIECE: usize = 32 << 10;

impl Gzip {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let is_wanted = *request.method() != Method::HEAD && takes_gzip(request.headers());
        if is_wanted { Self::Wanted } else { Self::Unwanted }
    }

    /// Compresses an answer that is worth it.
    pub(super) fn apply(self, mut response: Response<Respond>) -> Response<Respond> {
        if !is_worth_it(&response) {
            return response;
        }
        let headers = response.headers_mut();
        headers.append(VARY, HeaderValue::from_static("accept-encoding"));
        if self == Self::Unwanted {
            return response;
        }
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.remove(CONTENT_LENGTH);
        headers.remove(ACCEPT_RANGES);
        weaken_etag(headers);
        response.map(|body| body.map(|chunks| Squeezed::new(chunks).boxed()))
    }
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    let (mut gzip, mut any) = (None, None);
    for one in lines.flat_map(|line| line.split(',')) {
        let (coding, weight) = one.split_once(';').unwrap_or((one, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        let is_taken = weight.is_ok_and(|weight| 0.0 < weight);
        match coding.trim() {
            "*" => any = Some(is_taken),
            coding if coding.eq_ignore_ascii_case("gzip") => gzip = Some(is_taken),
            _ => (),
        }
    }
    gzip.or(any).unwrap_or_default()
}

fn is_worth_it(response: &Response<Respond>) -> bool {
    const BARE: [StatusCode; 4] = [
        StatusCode::NO_CONTENT,
        StatusCode::RESET_CONTENT,
        StatusCode::PARTIAL_CONTENT,
        StatusCode::NOT_MODIFIED,
    ];
    let (status, headers) = (response.status(), response.headers());
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let announced = || text(CONTENT_LENGTH).and_then(|length| length.parse().ok());
    let length = response.body().length().or_else(announced);
    let is_short = length.is_some_and(|length: usize| length < BYTES_MIN);
    let is_bare = status.is_informational() || BARE.contains(&status);
    let is_done = [CONTENT_ENCODING, CONTENT_RANGE].iter().any(|name| headers.contains_key(name));
    let is_kept = || text(CACHE_CONTROL).is_some_and(|said| said.contains("no-transform"));
    let is_fit = || text(CONTENT_TYPE).is_some_and(is_text);
    !is_short && !is_bare && !is_done && !is_kept() && is_fit()
}

/// Whether a content type is one of text. Images, sound and archives have been
/// compressed by those who made them.
fn is_text(content_type: &str) -> bool {
    const OTHERS: [&str; 5] = [
        "application/json",
        "application/javascript",
        "application/xml",
        "application/x-ndjson",
        "application/wasm",
    ];
    let essence = crate::payload::essence(content_type).to_ascii_lowercase();
    essence.starts_with("text/")
        || OTHERS.contains(&essence.as_str())
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
}

/// What is compressed is not the same byte for byte any more.
fn weaken_etag(headers: &mut HeaderMap) {
    let weak = headers.get(ETAG).filter(|etag| !etag.as_bytes().starts_with(b"W/"));
    let weak = weak.and_then(|etag| HeaderValue::try_from([b"W/", etag.as_bytes()].concat()).ok());
    if let Some(weak) = weak {
        headers.insert(ETAG, weak);
    }
}

/// A body that is compressed as it comes.
struct Squeezed {
    chunks: Chunks,
    /// What has come and was not compressed yet.
    waiting: Bytes,
    /// None when all of it has left.
    encoder: Option<GzEncoder<Vec<u8>>>,
    /// Bytes that have gone in since something came out.
    held: usize,
}

impl Squeezed {
    fn new(chunks: Chunks) -> Self {
        let encoder = Some(GzEncoder::new(Vec::new(), Compression::fast()));
        Self { chunks, waiting: Bytes::new(), encoder, held: 0 }
    }

    /// Compresses a piece of what has come.
    fn squeeze(&mut self) -> Result<(), Fault> {
        let piece = self.waiting.split_to(self.waiting.len().min(PIECE));
        self.held += piece.len();
        let encoder = self.encoder.as_mut().ok_or(Fault::Internal)?;
        encoder.write_all(&piece).map_err(|_| Fault::Internal)
    }

    /// All that has gone in.
    fn flush(&mut self) -> Result<Bytes, Fault> {
        self.held = 0;
        let encoder = self.encoder.as_mut().ok_or(Fault::Internal)?;
        encoder.flush().map_err(|_| Fault::Internal)?;
        Ok(take(encoder.get_mut()).into())
    }

    /// The end of it, once.
    fn finish(&mut self) -> Option<Result<Bytes, Fault>> {
        let end = self.encoder.take()?.finish();
        Some(end.map(Bytes::from).map_err(|_| Fault::Internal))
    }
}

impl Stream for Squeezed {
    type Item = Result<Bytes, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.encoder.is_none() {
                return Poll::Ready(None);
            }
            if self.waiting.is_empty() {
                match self.chunks.poll_next_unpin(cx) {
                    Poll::Pending if self.held == 0 => return Poll::Pending,
                    Poll::Pending => return Poll::Ready(Some(self.flush())),
                    Poll::Ready(None) => return Poll::Ready(self.finish()),
                    Poll::Ready(Some(Err(fault))) => {
                        // Without its end it does not look whole.
                        self.encoder = None;
                        return Poll::Ready(Some(Err(fault)));
                    }
                    Poll::Ready(Some(Ok(chunk))) => self.waiting = chunk,
                }
            }
            if let Err(fault) = self.squeeze() {
                return Poll::Ready(Some(Err(fault)));
            }
            if PIECE <= self.held {
                return Poll::Ready(Some(self.flush()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use futures::channel::mpsc;
    use futures::{FutureExt, stream};
    use std::io::Read;

    fn read(bytes: &[u8]) -> Vec<u8> {
        let mut whole = Vec::new();
        GzDecoder::new(bytes).read_to_end(&mut whole).unwrap();
        whole
    }

    #[tokio::test]
    async fn what_goes_in_comes_out() {
        let noise = (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8);
        let large: Bytes = noise.collect::<Vec<_>>().into();
        for parts in [vec![], vec![large.clone()], vec![large.slice(..9); 20_000]] {
            let chunks = stream::iter(parts.clone().into_iter().map(Ok)).boxed();
            let out: Vec<Bytes> = Squeezed::new(chunks).map(|part| part.unwrap()).collect().await;
            assert_eq!(read(&out.concat()), parts.concat());
        }
    }

    #[tokio::test]
    async fn what_is_there_is_not_held_back() {
        let (sender, receiver) = mpsc::unbounded::<Result<Bytes, Fault>>();
        let mut squeezed = Squeezed::new(receiver.boxed());
        assert!(squeezed.next().now_or_never().is_none());
        let mut seen = Vec::new();
        for text in ["data: 1\n\n", "data: 2\n\n"] {
            sender.unbounded_send(Ok(Bytes::from_static(text.as_bytes()))).unwrap();
            seen.extend(squeezed.next().now_or_never().unwrap().unwrap().unwrap());
            let mut text_so_far = vec![0; seen.len() * 9];
            let read = GzDecoder::new(&*seen).read(&mut text_so_far).unwrap();
            assert!(text_so_far[..read].ends_with(text.as_bytes()));
            assert!(squeezed.next().now_or_never().is_none());
        }
        sender.unbounded_send(Err(Fault::Internal)).unwrap();
        assert_eq!(squeezed.next().await, Some(Err(Fault::Internal)));
        assert_eq!(squeezed.next().await, None);
    }

    #[track_caller]
    fn check_taken(said: &'static str, expected: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(said));
        assert_eq!(takes_gzip(&headers), expected, "{said}");
    }

    #[test]
    fn clients_say_what_they_take() {
        for said in ["gzip", "deflate, GZIP;q=0.1", "*", "br, *;q=0.5"] {
            check_taken(said, true);
        }
        for said in ["", "br", "gzip;q=0", "*, gzip;q=0", "*;q=0", "gzip;q=x", "identity"] {
            check_taken(said, false);
        }
    }

    #[test]
    fn text_is_worth_it_and_images_are_not() {
        for text in ["text/html; charset=utf-8", "application/Problem+JSON", "image/svg+xml"] {
            assert!(is_text(text), "{text}");
        }
        for other in ["image/png", "application/zip", "application/octet-stream", "video/mp4", ""] {
            assert!(!is_text(other), "{other}");
        }
    }
}
