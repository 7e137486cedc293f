// The speaker's page: a look into the mirror, then the room. Opening it uses nothing up: only Join does.

import { request } from "/assets/client.js";
import { TestSource, openDevices, openScreen } from "/assets/media.js";
import { ProgramSound } from "/assets/return.js";
import { Room } from "/assets/rtc.js";
import { SlideTurner } from "/assets/slides.js";
import { Tiles } from "/assets/tiles.js";

const invitation = decodeURIComponent(location.pathname.split("/").filter(Boolean)[1] ?? "");
const $ = (id) => document.getElementById(id);
const SPEAKS = ["speaker", "producer", "admin"];

let phase = "lobby";
let session = null;
let room = null;
let stream = null;
let test = null;
let screen = null;
let turner = null;
let opening = Promise.resolve();
const tiles = new Tiles($("tiles"), () => { $("hear").hidden = false; }, () => tellSizes());
const sound = new ProgramSound();

// What tests and curious people may look at.
window.proscenium = {
    get state() { return room ? room.state : phase; },
    get participant() { return room?.me?.participant ?? null; },
    get participants() { return room?.participants ?? []; },
    get received() {
        return (room?.received ?? []).map(({ mid, participant, source, id, track, lacks }) => ({
            mid, participant, source, id, trackId: track.id, lacks,
        }));
    },
    get speaker() { return room?.speaker ?? null; },
    get joins() { return room?.joins ?? 0; },
    get resumes() { return room?.resumes ?? 0; },
    get restarts() { return room?.restarts ?? 0; },
    get rotations() { return room?.rotations ?? 0; },
    get hearsProgram() { return sound.isHeard; },
    get publishConnection() { return room?.publishConnection ?? null; },
    get subscribeConnection() { return room?.subscribeConnection ?? null; },
    get summary() {
        const { state, participant, participants, received, joins, hearsProgram } = this;
        return {
            state, participant, participants, received, joins, hearsProgram, error: `${$("join-error").textContent}${$("room-error").textContent}`,
            publishing: room?.publishConnection?.connectionState, subscribing: room?.subscribeConnection?.connectionState,
        };
    },
};

function announce(text) {
    // A live region speaks when its content changes: the same text twice needs a break between.
    $("announcements").textContent = "";
    setTimeout(() => { $("announcements").textContent = text; }, 50);
}

function show(part) {
    for (const id of ["lobby", "room", "outside"]) $(id).hidden = id !== part;
}

// The mirror

const nameNow = () => $("name").value.trim() || session?.name || "";

function closeSources() {
    if (test) test.stop();
    else for (const track of stream?.getTracks() ?? []) track.stop();
    stream = test = null;
}

/** Opens what the form says, and shows it; one opening after the other. */
function openSources() {
    opening = opening.then(async () => {
        closeSources();
        $("join-error").textContent = "";
        const isTest = $("test-picture").checked;
        for (const id of ["camera-label", "camera-choice", "microphone-label", "microphone-choice"]) $(id).hidden = isTest;
        try {
            if (isTest) {
                test = new TestSource(nameNow());
                stream = test.stream;
            } else {
                stream = await openDevices({ camera: $("camera-choice").value, microphone: $("microphone-choice").value });
                await listDevices();
            }
        } catch (error) {
            $("join-error").textContent = error.name === "NotAllowedError"
                ? "Camera and microphone are blocked. Allow them in the address bar, or join with a test picture."
                : "No camera and no microphone were found. You can join with a test picture.";
        }
        $("preview").srcObject = stream;
        $("preview").play().catch(() => {});
        $("preview-blank").hidden = Boolean(stream?.getVideoTracks().length);
        $("preview-tile").toggleAttribute("data-mirror", Boolean(stream) && !isTest);
        meter(stream);
    });
    return opening;
}

async function listDevices() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    for (const [id, kind, track] of [
        ["camera-choice", "videoinput", stream?.getVideoTracks()[0]], ["microphone-choice", "audioinput", stream?.getAudioTracks()[0]],
    ]) {
        const options = devices.filter((device) => device.kind === kind && device.deviceId)
            .map((device, index) => new Option(device.label || `Device ${index + 1}`, device.deviceId));
        $(id).replaceChildren(...options);
        $(id).disabled = options.length === 0;
        if (track) $(id).value = track.getSettings().deviceId ?? "";
    }
}

let metering;
function meter(source) {
    clearInterval(metering?.timer);
    metering?.context.close();
    metering = undefined;
    $("level").value = 0;
    if (!source?.getAudioTracks().length) return;
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 1024 });
    context.createMediaStreamSource(source).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const timer = setInterval(() => {
        analyser.getFloatTimeDomainData(samples);
        const rms = Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
        // Decibels from -60 to 0, as ears hear it.
        $("level").value = Math.max(0, 1 + (20 * Math.log10(rms + 1e-6)) / 60);
    }, 80);
    metering = { context, timer };
}

// The way in

/** Whether this tab came in by this invitation before: then its session is used, and the name stays. */
async function knownSession() {
    if (sessionStorage.getItem("joined") !== invitation) return null;
    try {
        const known = await request("GET", "/v1/sessions");
        return known && SPEAKS.includes(known.role) && known.event ? known : null;
    } catch {
        return null;
    }
}

$("join-form").onsubmit = async (submission) => {
    submission.preventDefault();
    $("join").disabled = true;
    $("join-error").textContent = "";
    try {
        await opening;
        // The click lets the sound begin.
        await test?.resume();
        const name = $("name").value.trim();
        session ??= await request("POST", "/v1/sessions", name ? { invitation, name } : { invitation });
        if (!session.name) {
            session = null;
            $("name").required = true;
            $("name").placeholder = "";
            $("name").focus();
            throw new Error("Please say your name: the others see it beside your picture.");
        }
        if (!SPEAKS.includes(session.role) || !session.event) {
            return leaveFor("refused", "This is not a speaker's invitation", "Ask the producer for a link to speak.");
        }
        sessionStorage.setItem("joined", invitation);
        enter();
    } catch (problem) {
        if ([401, 403, 404, 410].includes(problem.status)) {
            leaveFor("refused", "This invitation does not let you in", problem.message);
        } else {
            $("join-error").textContent = problem.message;
        }
    } finally {
        $("join").disabled = false;
    }
};

function enter() {
    if (test) test.name = session.name;
    meter(null);
    $("title").textContent = session.event;
    $("room-error").textContent = "";
    for (const [id, source] of [["microphone", "microphone"], ["camera", "camera"]]) {
        const track = trackOf(source);
        $(id).disabled = !track;
        drawToggle(id, false);
        // Unplugged, or taken back in the browser's bar.
        if (track) {
            track.onended = () => {
                $(id).disabled = true;
                room?.send(source, null).catch(() => {});
                onChange();
            };
        }
    }
    drawToggle("screen", false);
    $("screen").hidden = !navigator.mediaDevices?.getDisplayMedia;
    show("room");
    beginSlides();
    const query = new URLSearchParams(location.search);
    room = new Room(session.event, { onState, onChange }, query.get("codec") ?? "vp8", query.get("scalability"));
    for (const id of ["microphone", "camera", "screen"]) $(id).hidden = !maySend(id) || $(id).hidden;
    const own = ["camera", "microphone"].filter(maySend);
    room.start(Object.fromEntries(own.map((source) => [source, trackOf(source)])));
}

/** Whether nobody sees that we are here: then we send nothing. */
const hides = () => (session.can ?? []).includes("hidden");

/** What an invitation lets us send: everything, where it does not name something. */
function maySend(source) {
    const named = (session.can ?? []).filter((word) => ["camera", "microphone", "screen"].includes(word));
    return !hides() && (!named.length || named.includes(source));
}

function trackOf(source) {
    if (session && !maySend(source)) return undefined;
    if (source === "screen") return screen?.getVideoTracks()[0];
    return source === "camera" ? stream?.getVideoTracks()[0] : stream?.getAudioTracks()[0];
}

function leaveFor(state, title, text) {
    phase = state;
    room = null;
    endScreen();
    endSlides();
    closeSources();
    meter(null);
    $("connection").hidden = true;
    $("outside-title").textContent = title;
    $("outside-text").textContent = text;
    show("outside");
    $("back").focus();
}

$("back").onclick = () => location.reload();

// The room

function onState(state, problem) {
    $("connection").hidden = false;
    $("connection").dataset.state = { joined: "live", rejoining: "lost" }[state] ?? "";
    $("connection").textContent = {
        joining: "Joining", joined: "Joined", rejoining: "Joining again", refused: "Signed out", left: "Left",
    }[state];
    if (state === "joined") announce(room.joins > 1 ? "You are back in the room." : "You are in the room.");
    if (state === "rejoining") announce("The connection was lost. Joining again.");
    if (state === "refused") leaveFor("refused", room?.joins ? "You are not in the room any more" : "You can't come in", problem.message);
    if (state === "left") leaveFor("left", "You have left", "Your camera and your microphone are off.");
    if (room) onChange();
}

/** Whether the producer had muted me when that was drawn last. */
let wasSilenced = false;

/** What is known of everybody: the program, my own picture, the others in the studio's order, screens on their own. */
function onChange() {
    if (!room) return;
    const mine = room.me?.participant ?? "me";
    const wanted = [];
    const program = room.received.find(({ source }) => source === "program");
    const mix = room.received.find(({ source }) => source === "programMix");
    drawSound(mix);
    if (room.isSilenced !== wasSilenced) {
        wasSilenced = room.isSilenced;
        announce(wasSilenced ? "The producer has muted you." : "The producer lets you speak.");
    }
    if (program) {
        wanted.push({
            participant: program.participant, kind: "program", isMine: false, isSilent: !sound.isHeard, label: "Program", picture: program.track,
            audio: mix, isDark: false, isMuted: false, isMirrored: false, note: mix ? "You are on stage" : "",
        });
    }
    if (!hides()) wanted.push({
        participant: mine, kind: "person", isMine: true, label: `${session.name} (you)`, picture: trackOf("camera"),
        isDark: room.isMuted("camera"), isMuted: room.isMuted("microphone") || room.isSilenced, isMirrored: !test, hasFloor: room.speaker === mine,
        note: room.isSilenced ? "The producer has muted you" : "",
    });
    if (screen) {
        wanted.push({
            participant: mine, kind: "screen", isMine: true, label: "Your screen", picture: trackOf("screen"),
            isDark: false, isMuted: false, isMirrored: false,
        });
    }
    const notes = { paused: "Paused: your connection is too slow", smaller: "Smaller: your connection is slow" };
    const noteOf = (track) => notes[room.limits[track?.id]] ?? "";
    const others = room.participants.filter(({ id }) => id !== mine);
    for (const { id, name, tracks, onStage } of others) {
        // Nobody is heard twice.
        const isSilent = sound.isHeard && onStage;
        const shown = (source) => (received(source)?.lacks ? null : received(source)?.track);
        const received = (source) => room.received.find((track) => track.participant === id && track.source === source);
        const isMuted = (source) => tracks.some((track) => track.source === source && track.muted);
        wanted.push({
            participant: id, kind: "person", isMine: false, isSilent, label: name || "Speaker", picture: shown("camera"), lacks: received("camera")?.lacks,
            audio: received("microphone"), isDark: isMuted("camera"), isMuted: isMuted("microphone"), isMirrored: false,
            hasFloor: room.speaker === id, note: noteOf(received("camera")),
        });
        if (tracks.some(({ source }) => source === "screen")) {
            wanted.push({
                participant: id, kind: "screen", isMine: false, isSilent, label: `Screen of ${name || "a speaker"}`,
                picture: shown("screen"), lacks: received("screen")?.lacks, audio: received("screenAudio"), isDark: isMuted("screen"),
                isMuted: isMuted("screenAudio"), isMirrored: false, note: noteOf(received("screen")),
            });
        }
    }
    tiles.show(wanted);
    tellSizes();
    $("alone").hidden = others.length > 0 || room.state !== "joined";
}

/** Tells the studio how large each picture is shown: it sends the layer that fits. */
function tellSizes() {
    const kinds = { camera: "person", screen: "screen", program: "program" };
    const shown = tiles.sizes, sizes = {};
    for (const { participant, source, id } of room?.received ?? []) {
        const size = shown.get(`${participant}/${kinds[source]}`);
        if (size) sizes[id] = size;
    }
    room?.show(sizes);
}
// A window that moves to a finer screen shows more pixels in the same size.
addEventListener("resize", tellSizes);

/** Follows the mix that there is now, and says what the button would do. */
function drawSound(mix) {
    const wasThere = !$("sound").hidden;
    sound.follow(mix?.receiver);
    $("sound").hidden = !mix;
    $("sound").textContent = sound.prefersPeople ? "Hear the program" : "Hear people directly";
    if (Boolean(mix) !== wasThere && room.state === "joined") announce(mix ? "You are on stage." : "You are not on stage any more.");
}

$("sound").onclick = () => {
    sound.prefersPeople = !sound.prefersPeople;
    onChange();
    announce(sound.prefersPeople ? "You hear people directly, and nothing else of the program." : "You hear the program, without yourself.");
};

setInterval(() => {
    tiles.showLevels();
    if (sound.look()) onChange();
}, 150);

const TOGGLES = {
    microphone: ["Mute microphone", "Unmute microphone"], camera: ["Hide camera", "Show camera"],
    screen: ["Share screen", "Stop sharing"],
};

/** The label says what the button will do, so it needs no pressed state beside that. */
function drawToggle(id, isActive) {
    $(id).textContent = TOGGLES[id][Number(isActive)];
    $(id).toggleAttribute("data-active", isActive);
}

/** Runs what a control asks for; what goes wrong is said above the controls. */
async function attempt(button, work) {
    $("room-error").textContent = "";
    button.disabled = true;
    try {
        await work();
    } catch (problem) {
        $("room-error").textContent = problem.message;
    } finally {
        button.disabled = false;
    }
}

for (const source of ["microphone", "camera"]) {
    $(source).onclick = () => attempt($(source), async () => {
        const muted = !room.isMuted(source);
        const told = room.mute(source, muted);
        drawToggle(source, muted);
        onChange();
        announce({
            microphone: muted ? "Your microphone is muted." : "Your microphone is on.",
            camera: muted ? "Your camera is hidden." : "Your camera is on.",
        }[source]);
        try {
            await told;
        } finally {
            // Who is kept silent by the producer stays muted.
            if (room) drawToggle(source, room.isMuted(source));
            onChange();
        }
    });
}

async function beginScreen() {
    screen = await openScreen();
    // The browser's own bar may end it too.
    trackOf("screen").onended = () => attempt($("screen"), stopSharing);
    drawToggle("screen", true);
    onChange();
    await Promise.all([room.send("screen", trackOf("screen")), room.send("screenAudio", screen.getAudioTracks()[0] ?? null)]);
    announce("You are sharing your screen.");
}

function endScreen() {
    for (const track of screen?.getTracks() ?? []) track.stop();
    screen = null;
    drawToggle("screen", false);
}

async function stopSharing() {
    endScreen();
    onChange();
    await Promise.all([room.send("screen", null), room.send("screenAudio", null)]);
    announce("You have stopped sharing.");
}

$("screen").onclick = () => attempt($("screen"), async () => {
    try {
        await (screen ? stopSharing() : beginScreen());
    } catch (problem) {
        if (problem.name === "NotAllowedError") return; // the picker was closed
        if (screen) endScreen();
        room?.send("screen", null).catch(() => {});
        onChange();
        throw problem;
    }
});

// The slides, for those who may turn them

function beginSlides() {
    endSlides();
    const mayTurn = session.role !== "speaker" || (session.can ?? []).includes("slides");
    $("slides").hidden = !mayTurn;
    if (mayTurn) turner = new SlideTurner(session.event, drawSlides);
}

function endSlides() {
    turner?.stop();
    turner = null;
}

function drawSlides() {
    if (!turner) return;
    const { deck, page, pages } = turner;
    $("slide-back").disabled = !turner.mayGoBack;
    $("slide-forward").disabled = !turner.mayGoForward;
    $("slide-place").textContent = !deck ? "No slides yet" : pages ? `Slide ${page} of ${pages}` : `Slide ${page}`;
}

for (const [id, by] of [["slide-back", -1], ["slide-forward", 1]]) {
    $(id).onclick = () => attempt($(id), async () => {
        await turner.turn(by);
        announce(`Slide ${turner.page}`);
    }).then(drawSlides);
}
$("deck-file").onchange = () => attempt($("deck-file"), async () => {
    const [file] = $("deck-file").files;
    if (!file) return;
    await turner.upload(file);
    $("deck-file").value = "";
    announce("Your slides are shown.");
}).then(drawSlides);

$("hear").onclick = () => {
    $("hear").hidden = true;
    tiles.play();
};
$("leave").onclick = () => room.leave();
addEventListener("pagehide", () => room?.leave());

async function start() {
    $("test-picture").checked = new URLSearchParams(location.search).get("media") === "canvas";
    session = await knownSession();
    if (session) {
        $("name").value = session.name ?? "";
        $("name").disabled = true;
        $("title").textContent = session.event;
        if (!session.name) session = null;
    }
    show("lobby");
    $("test-picture").onchange = () => openSources();
    $("camera-choice").onchange = () => openSources();
    $("microphone-choice").onchange = () => openSources();
    $("name").oninput = () => { if (test) test.name = nameNow(); };
    openSources();
}

start();
