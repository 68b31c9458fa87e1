//! Routes of the drives, for paired pages.

use std::sync::Arc;

use doorward_guard::audit::Kind;
use doorward_guard::caller::{Judge, Signatures, Signed};
use doorward_guard::{Answer, Call, Payload, Permit, Policy, Refusal, Rule, Surface};
use futures_util::future::join_all;
use http::StatusCode;
use percent_encoding::percent_decode_str;

use super::change;
use super::entry::{Entry, EntryKind};
use super::error::DriveError;
use super::folders::Granted;
use super::handle::Place;
use super::jobs::{End, JobKind, JobPlace, Task};
use super::list::{self, Wanted};
use super::native;
use super::path::RelPath;
use super::progress::Progress;
use super::room::{Drives, Wish};
use super::search::{self, Quest};
use super::transfer::{self, Carried, Route, Step};
use super::tree;
use super::upload;
use super::wire::{
    Begin, Begun, Carry, Create, Delete, Deleted, FinishQuery, Grants, InfoQuery, JobList, Linked,
    ListQuery, NotLinked, Open, Opened, Rename, SearchQuery, Shown,
};
use crate::defaults;
use crate::pairing::Right;
use crate::signing::Proven;

type Answered = Result<Answer, DriveError>;

impl Drives {
    /// `/drives`: folders and what is in them.
    #[must_use]
    pub fn surface<J: Judge<Proof = Proven>>(
        self: &Arc<Self>,
        book: Signatures<J>,
    ) -> Surface<Signed<J>, Self> {
        Surface::new(
            "drives",
            "/drives",
            Policy::paired(),
            book,
            Arc::clone(self),
        )
        .get("/", shared)
        .get("/{folder}/list", list)
        .get("/{folder}/info", info)
        .get("/{folder}/search", search)
        .post("/{folder}/create", create)
        .post("/{folder}/rename", rename)
        .post("/{folder}/copy", copy)
        .post("/{folder}/move", shift)
        .post("/{folder}/delete", delete)
        .post("/{folder}/open", open)
        .post("/{folder}/grants", grants)
        .post("/{folder}/uploads", begin)
    }

    /// `/drives/uploads`: chunks of files.
    #[must_use]
    pub fn uploads_surface<J: Judge<Proof = Proven>>(
        self: &Arc<Self>,
        book: Signatures<J>,
    ) -> Surface<Signed<J>, Self> {
        let policy = Policy::paired_chunks();
        Surface::new("uploads", "/drives/uploads", policy, book, Arc::clone(self))
            .get("/{id}", resume)
            .put("/{id}", chunk)
            .delete("/{id}", discard)
            .post("/{id}/finish", finish)
    }

    /// `/jobs`: long operations.
    #[must_use]
    pub fn jobs_surface<J: Judge<Proof = Proven>>(
        self: &Arc<Self>,
        book: Signatures<J>,
    ) -> Surface<Signed<J>, Self> {
        Surface::new("jobs", "/jobs", Policy::paired(), book, Arc::clone(self))
            .get("/", jobs)
            .get("/{id}", job)
            .delete("/{id}", cancel)
    }

    /// The folder that the call names, as its page has it.
    fn of<J: Judge<Proof = Proven>>(
        &self,
        permit: &Permit<Signed<J>>,
        call: &Call,
    ) -> Result<Granted, DriveError> {
        let name = percent_decode_str(call.param("folder")).decode_utf8();
        let name = name.map_err(|_| DriveError::FolderUnknown)?;
        self.granted(key(permit), &name)
    }

    async fn carry<J: Judge<Proof = Proven>>(
        self: Arc<Self>,
        permit: Permit<Signed<J>>,
        call: Call,
        moving: bool,
    ) -> Answered {
        let from = self.of(&permit, &call)?;
        let Carry {
            path,
            to: target,
            on_conflict,
        } = call.json()?;
        let to = match &target.folder {
            Some(name) => self.granted(key(&permit), name)?,
            None => from.clone(),
        };
        let within_one = from.folder().name() == to.folder().name();
        to.with(Right::Write)?;
        match (moving, within_one) {
            (false, _) => from.with(Right::Read)?,
            (true, true) => from.with(Right::Write)?,
            // For this folder it is gone.
            (true, false) => from.with(Right::Read).and(from.with(Right::Delete))?,
        };
        let route = Route {
            from: RelPath::parse(&path)?,
            to: RelPath::parse(&target.path)?,
            conflict: on_conflict,
            moving,
        };
        let kind = if moving {
            Kind::FileMoved
        } else {
            Kind::FileCopied
        };
        let (from, to) = (Arc::clone(from.folder()), Arc::clone(to.folder()));
        let name = to.name().as_str().to_owned();
        self.decide(kind, key(&permit), &name)?;
        let (room, first, folder) = (Arc::clone(&self), route.clone(), name.clone());
        let step = from.work_with(&to, move |from, to| {
            transfer::begin((from, to), &first, (&room.journal, &folder))
        });
        if let Step::Done(entry) = step.await? {
            return Ok(Answer::json(&entry));
        }
        let task = Task {
            key_id: key(&permit).to_owned(),
            kind: if moving { JobKind::Move } else { JobKind::Copy },
            folder: from.name().as_str().to_owned(),
            path: route.from.as_str().to_owned(),
            to: Some(JobPlace {
                folder: name.clone(),
                path: route.to.as_str().to_owned(),
            }),
        };
        let room = Arc::clone(&self);
        let folders = vec![Arc::clone(&from), Arc::clone(&to)];
        let job = self.start(task, folders, move |progress: &Progress| {
            let roots = (&from.open()?, &to.open()?);
            let carried = transfer::carry(roots, &route, (&room.journal, &name), progress)?;
            let Carried { entry, trouble } = carried;
            Ok(End {
                entry: Some(entry),
                trouble,
            })
        })?;
        Ok(Answer::json_with(StatusCode::ACCEPTED, &Begun { job }))
    }
}

async fn shared<J: Judge<Proof = Proven>>(
    room: Arc<Drives>,
    permit: Permit<Signed<J>>,
    _call: Call,
) -> Answered {
    let scopes = room.scopes(key(&permit))?;
    let of_page = Arc::clone(&room.folders);
    let all = tokio::task::spawn_blocking(move || of_page.all_granted(&scopes));
    let all = all.await.unwrap_or_default();
    let views = all
        .iter()
        .map(|granted| granted.folder().view(granted.rights()));
    let folders = join_all(views).await;
    Ok(Answer::json(&Shown { folders }))
}

async fn list<J: Judge<Proof = Proven>>(
    room: Arc<Drives>,
    permit: Permit<Signed<J>>,
    call: Call,
) -> Answered {
    let granted = room.of(&permit, &call)?;
    let query: ListQuery = call.query()?;
    let wanted = Wanted {
        path: RelPath::parse(&query.path)?,
        sort: query.sort,
        order: query.order,
        after: query.after,
        limit: within(query.limit, defaults::LISTED_UNASKED, defaults::LISTED)?,
        hidden: query.hidden,
    };
    let folder = granted.with(Right::Read)?;
    let listing = folder.work(move |root| list::list(root, &wanted)).await?;
    Ok(Answer::json(&listing))
}

async fn info<J: Judge<Proof = Proven>>(
    room: Arc<Drives>,
    permit: Permit<Signed<J>>,
    call: Call,
) -> Answered {
    let granted = room.of(&permit, &call)?;
    let InfoQuery { path } = call.query()?;
    let path = RelPath::parse(&path)?;
    let folder = granted.with(Right::Read)?;
    let entry = folder
        .work(move |root| change::entry(&Place::find(root, &path)?, &path))
        .await?;
    Ok(Answer::json(&entry))
}

/// Ends the search when its caller hangs up: this is dropped then.
struct Hung(Arc<Progress>);

impl Drop for Hung {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

async fn search<J: Judge<Proof = Proven>>(
    room: Arc<Drives>,
    permit: Permit<Signed<J>>,
    call: Call,
) -> Answered {
    let granted = room.of(&permit, &call)?;
    let query: SearchQuery = call.query()?;
    let quest = Quest {
        path: RelPath::parse(&query.path)?,
        limit: within(query.limit, 100, defaults::FOUND)?,
        hidden: query.hidden,
        word: query.q,
    };
    if quest.word.is_empty() || quest.word.chars().count() > defaults::SEARCH_WORD {
        return Err(Refusal::from(Rule::InvalidQuery).into());
    }
    let folder = granted.with(Right::Read)?;
    let hung = Hung(Arc::default());
    let (progress, clock) = (Arc::clone(&hung.0), room.clock.clone());
    let found = folder
        .work(move |root| search::search(root, &quest, &progress, &clock))
        .await?;
    Ok(Answer::json(&found))
}

async fn create<J: Judge<Proof = Proven>>(
    room: Arc<Drives>,
    permit: Permit<Signed<J>>,
    call: Call,
) -> Answered {
    let granted = room.of(&permit, &call)?;
    let Create { path, kind } = call.json()?;
    let path = RelPath::parse(&path)?;
    let folder = granted.with(Right::Write)?;
    room.decide(Kind::FileCreated, key(&permit), folder.name().as_str())?;
    let entry = folder
        .work(move |root| change::create(root, &path, kind))
        .await?;
    Ok(Answer::json_with(StatusCode::CREATED, &entry))
}

async fn rename<J: Judge<Proof = Proven>>(
    room: Arc<Drives>,
    permit: Permit<Signed<J>>,
    call: Call,
) -> Answered {
    let granted = room.of(&permit, &call)?;
    let Rename { path, name } = call.json()?;
    let from = RelPath::parse(&path)?;
    let (parent, _) = from.split().ok_or(DriveError::RootRefused)?;
    let name = super::path::NewName::parse(&name)?;
    let to = parent.join(name.as_os()).ok_or(DriveError::NameRefused)?;
    let folder = granted.with(Right::Write)?;
    room.decide(Kind::FileMoved, key(&permit), folder.name().as_str())?;
    let route = Route {
        from,
        to,
        conflict: change::OnConflict::Fail,
        moving: true,
    };
    let (journal, name) = (room.journal.clone(), folder.name().as_str().to_owned());
    let step = folder.work(move |root| transfer::begin((root, root), &route, (&journal, &name)));
    match step.await? {
        Step::Done(entry) => Ok(Answer::json(&entry)),
        // Another drive is mounted there.
        Step::Job => Err(DriveError::InUse),
    }
}

async fn copy<J: Judge<Proof = Proven>>(
    room: Arc<Drives>,
    permit: Permit<Signed<J>>,
    call: Call,
) -> Answered {
    room.carry(permit, call, false).await
}

async fn shift<J: Judge<Proof = Proven>>(
    room: Arc<Drives>,
    permit: Permit<Signed<J>>,
    call: Call,
) -> Answered {
    room.carry(permit, call, true).await
}

async fn delete<J: Judge<Proof = Proven>>(
    room: Arc<Drives>,
    permit: Permit<Signed<J>>,
    call: Call,
) -> Answered {
    let granted = room.of(&permit, &call)?;
    let Delete { path, permanently } = call.json()?;
    let path = RelPath::parse(&path)?;
    let folder = granted.with(Right::Delete)?;
    let name = folder.name().as_str().to_owned();
    room.decide(Kind::FileDeleted, key(&permit), &name)?;
    let (trash, now, at) = (room.trash.clone(), room.clock.wall(), path.clone());
    let is_tree = folder.work(move |root| {
        let place = Place::find(root, &at)?;
        let kind = EntryKind::of(place.look()?.file_type());
        match (permanently, kind) {
            (false, _) => trash.take(&place, now)?,
            (true, EntryKind::Directory) => return Ok(true),
            (true, _) => place.remove()?,
        }
        super::handle::settle(&place.parent);
        Ok(false)
    });
    if !is_tree.await? {
        let (path, trashed) = (path.as_str().to_owned(), !permanently);
        return Ok(Answer::json(&Deleted { path, trashed }));
    }
    let task = Task {
        key_id: key(&permit).to_owned(),
        kind: JobKind::Delete,
        folder: name,
        path: path.as_str().to_owned(),
        to: None,
    };
    let of_job = Arc::clone(folder);
    let job = room.start(
        task,
        vec![Arc::clone(folder)],
        move |progress: &Progress| {
            let place = Place::find(&of_job.open()?, &path)?;
            tree::expect(&place, progress)?;
            tree::remove(&place, progress, None)?;
            Ok(End::default())
        },
    )?;
    Ok(Answer::json_with(StatusCode::ACCEPTED, &Begun { job }))
}

async fn open<J: Judge<Proof = Proven>>(
    room: Arc<Drives>,
    permit: Permit<Signed<J>>,
    call: Call,
) -> Answered {
    let granted = room.of(&permit, &call)?;
    let Open { path } = call.json()?;
    let path = RelPath::parse(&path)?;
    let folder = granted.with(Right::Read)?;
    room.decide(Kind::FileOpened, key(&permit), folder.name().as_str())?;
    let (of_work, hands) = (Arc::clone(folder), Arc::clone(&room));
    let opened = folder.work(move |root| {
        let place = native::openable(&of_work, root, &path)?;
        let entry = change::entry(&Place::find(root, &path)?, &path)?;
        (hands.hands.open)(&place).map_err(|_| DriveError::OpenFailed)?;
        Ok(entry)
    });
    let opened = opened.await?;
    Ok(Answer::json(&Opened { opened }))
}

async fn grants<J: Judge<Proof = Proven>>(
    room: Arc<Drives>,
    permit: Permit<Signed<J>>,
    call: Call,
) -> Answered {
    let granted = room.of(&permit, &call)?;
    let Grants { paths, download } = call.json()?;
    if paths.is_empty() || paths.len() > defaults::LINKS {
        return Err(Refusal::from(Rule::InvalidJson).into());
    }
    let paths: Result<Vec<_>, _> = paths.iter().map(|path| RelPath::parse(path)).collect();
    let paths = paths?;
    let folder = granted.with(Right::Read)?;
    let looked = folder.work(move |root| {
        let look = |path: RelPath| {
            // The media room has no spelling for names that are no text.
            let looked = match path.as_str().contains('\\') {
                true => Err(DriveError::PathRefused),
                false => super::handle::file(root, &path).map(drop),
            };
            (path, looked)
        };
        Ok(paths.into_iter().map(look).collect::<Vec<_>>())
    });
    let (mut wanted, mut refused) = (Vec::new(), Vec::new());
    for (path, looked) in looked.await? {
        match looked {
            Ok(()) => wanted.push(path),
            Err(why) => refused.push(NotLinked {
                path: path.as_str().to_owned(),
                denial: why.rule().name().to_owned(),
            }),
        }
    }
    let wish = Wish {
        key_id: key(&permit).to_owned(),
        root: folder.path().to_owned(),
        paths: wanted,
        download,
    };
    let grants = (room.hands.link)(wish).await?;
    Ok(Answer::json_with(
        StatusCode::CREATED,
        &Linked { grants, refused },
    ))
}

async fn begin<J: Judge<Proof = Proven>>(
    room: Arc<Drives>,
    permit: Permit<Signed<J>>,
    call: Call,
) -> Answered {
    let granted = room.of(&permit, &call)?;
    let announced = call.json::<Begin>()?.read()?;
    let folder = granted.with(Right::Write)?;
    let key_id = key(&permit).to_owned();
    room.uploads.has_room(&key_id)?;
    room.decide(Kind::FileUploaded, &key_id, folder.name().as_str())?;
    let (journal, name, begun) = (room.journal.clone(), folder.name().clone(), room.wall());
    let (of_file, of_key) = (announced.clone(), key_id.clone());
    let made = folder.work(move |root| {
        let record = (&journal, &name, of_key.as_str(), begun);
        upload::begin(root, &of_file, record)
    });
    let upload = room
        .uploads
        .add(&key_id, folder.name(), announced, made.await?, 0);
    if room.scopes(&key_id).is_err() {
        // Ended meanwhile: it was added too late to be found then.
        room.end_of(&key_id);
    }
    Ok(Answer::json_with(StatusCode::CREATED, &upload.shown(0)))
}

async fn resume<J: Judge<Proof = Proven>>(
    room: Arc<Drives>,
    permit: Permit<Signed<J>>,
    call: Call,
) -> Answered {
    let upload = room.uploads.find(key(&permit), call.param("id"))?;
    room.granted(key(&permit), upload.folder().as_str())?
        .with(Right::Write)?;
    Ok(Answer::json(&upload.view().await))
}

async fn chunk<J: Judge<Proof = Proven>>(
    room: Arc<Drives>,
    permit: Permit<Signed<J>>,
    call: Call,
) -> Answered {
    let upload = room.uploads.find(key(&permit), call.param("id"))?;
    // As it is now: what is shared may have changed since the upload began.
    let granted = room.granted(key(&permit), upload.folder().as_str())?;
    let folder = granted.with(Right::Write)?;
    let offset = permit.proof().offset().ok_or(DriveError::ChunkRefused)?;
    let Payload::Whole(bytes) = call.into_payload() else {
        return Err(DriveError::ChunkRefused);
    };
    let offset = upload.write(folder, offset, bytes).await?;
    Ok(Answer::json(&upload.shown(offset)))
}

async fn discard<J: Judge<Proof = Proven>>(
    room: Arc<Drives>,
    permit: Permit<Signed<J>>,
    call: Call,
) -> Answered {
    let upload = room.uploads.find(key(&permit), call.param("id"))?;
    room.discard_one(&upload).await;
    Ok(Answer::json(&serde_json::json!({ "ended": true })))
}

async fn finish<J: Judge<Proof = Proven>>(
    room: Arc<Drives>,
    permit: Permit<Signed<J>>,
    call: Call,
) -> Answered {
    let upload = room.uploads.find(key(&permit), call.param("id"))?;
    let granted = room.granted(key(&permit), upload.folder().as_str())?;
    let FinishQuery { on_conflict } = call.query()?;
    let entry: Entry = upload
        .finish(granted.with(Right::Write)?, on_conflict)
        .await?;
    room.uploads.end(&upload, true);
    Ok(Answer::json_with(StatusCode::CREATED, &entry))
}

async fn jobs<J: Judge<Proof = Proven>>(
    room: Arc<Drives>,
    permit: Permit<Signed<J>>,
    _call: Call,
) -> Answer {
    let jobs = room.jobs.list(key(&permit));
    Answer::json(&JobList { jobs })
}

async fn job<J: Judge<Proof = Proven>>(
    room: Arc<Drives>,
    permit: Permit<Signed<J>>,
    call: Call,
) -> Answered {
    let job = room.jobs.find(key(&permit), call.param("id"))?;
    Ok(Answer::json(&room.jobs.view(&job)))
}

async fn cancel<J: Judge<Proof = Proven>>(
    room: Arc<Drives>,
    permit: Permit<Signed<J>>,
    call: Call,
) -> Answered {
    let job = room.jobs.find(key(&permit), call.param("id"))?;
    job.progress.cancel();
    Ok(Answer::json(&room.jobs.view(&job)))
}

fn key<J: Judge<Proof = Proven>>(permit: &Permit<Signed<J>>) -> &str {
    &permit.proof().key().key_id
}

fn within(limit: Option<u16>, unasked: usize, most: usize) -> Result<usize, DriveError> {
    match limit.map(usize::from) {
        None => Ok(unasked),
        Some(limit) if (1..=most).contains(&limit) => Ok(limit),
        Some(_) => Err(Refusal::from(Rule::InvalidQuery).into()),
    }
}
