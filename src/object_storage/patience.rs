//! How long a request is waited for: as long as its bytes keep moving.
//!
//! One limit for whole requests cannot be right: it must leave a large part on a slow line its minutes, and then a server
//! that accepts and never answers is noticed after minutes only, past the lease of the run. So the wait for an answer is
//! limited by what the request carries, and the answer's body by the time between two pieces of it. What was given up is
//! tried again by the client, on another connection.

use async_trait::async_trait;
use bytes::Bytes;
use http_body::{Body, Frame};
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
        HttpService, ReqwestConnector,
    },
};
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

/// How long nothing may move. Object storage answers within a second, under load within a few; three such waits with their
/// pauses fit between two renewals of a lease and its end.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Uploads may be this slow, in bytes a second (2 Mbit/s). What the server has of one cannot be seen, so it is the rate of
/// the whole body that counts.
const UPLOAD_RATE_MIN: usize = 256 << 10;

/// Connects as the client itself does, and limits the waiting.
#[derive(Debug)]
pub(super) struct Patient;

impl HttpConnector for Patient {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Limited { inner: ReqwestConnector::default().connect(options)? }))
    }
}

#[derive(Debug)]
struct Limited {
    inner: HttpClient,
}

#[async_trait]
impl HttpService for Limited {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let upload = Duration::from_millis((request.body().content_length() * 1000 / UPLOAD_RATE_MIN) as u64);
        // Only listings have a query. Their answers are short and taken whole, so that a connection that breaks in the
        // middle of one is tried again like any other; what breaks in an object, the client goes on with by itself.
        let listing = request.uri().query().is_some();
        let limit = SILENCE_MAX + upload;
        let answer = timeout(limit, self.inner.execute(request)).await.unwrap_or_else(|_| Err(silent(limit)));
        let (head, body) = answer.map_err(repeatable)?.into_parts();
        let body = HttpResponseBody::new(Flowing { inner: body, waiting: None });
        match listing {
            true => Ok(HttpResponse::from_parts(head, body.bytes().await.map_err(repeatable)?.into())),
            false => Ok(HttpResponse::from_parts(head, body)),
        }
    }
}

/// The client repeats a create-only put only if it was surely not received, for fear of taking its own object for somebody
/// else's. hydrant knows its own ([`SyncStore::create`](crate::store::SyncStore::create)), so every request of hydrant's may
/// be made twice; this kind says so.
fn repeatable(error: HttpError) -> HttpError {
    match error.kind() {
        HttpErrorKind::Timeout | HttpErrorKind::Interrupted => HttpError::new(HttpErrorKind::Request, error),
        _ => error,
    }
}

#[derive(Debug, thiserror::Error)]
#[error("nothing came from the server for {} s", .0.as_secs())]
struct Silent(Duration);

fn silent(limit: Duration) -> HttpError {
    HttpError::new(HttpErrorKind::Timeout, Silent(limit))
}

/// The body of an answer, which ends with an error when nothing more comes of it.
struct Flowing {
    inner: HttpResponseBody,
    /// Set while somebody waits for the next piece; the time that nobody asks for it does not count.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Body for Flowing {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(piece) => {
                self.waiting = None;
                // A body that breaks off is a broken connection, whatever the client calls it.
                let broken = |error| HttpError::new(HttpErrorKind::Interrupted, error);
                Poll::Ready(piece.map(|piece| piece.map_err(broken)))
            }
            Poll::Pending => {
                let waiting =
                    self.waiting.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + SILENCE_MAX)));
                waiting.as_mut().poll(context).map(|()| Some(Err(silent(SILENCE_MAX))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.inner.size_hint()
    }
}
