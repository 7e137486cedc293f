// What a speaker sends: camera and microphone, a screen, or a generated picture and a beep where there is no camera.

const pictures = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } };

/** Opens camera and microphone; where one is missing or refused, the other alone. Throws when there is neither. */
export async function openDevices({ camera, microphone } = {}) {
    const video = camera ? { ...pictures, deviceId: { exact: camera } } : pictures;
    const audio = microphone ? { deviceId: { exact: microphone } } : true;
    if (!navigator.mediaDevices) throw new Error("This browser gives no access to cameras on this address.");
    try {
        return await navigator.mediaDevices.getUserMedia({ video, audio });
    } catch (first) {
        // The one who says no to both is not asked twice more.
        if (first.name === "NotAllowedError" && !first.message.includes("system")) throw first;
        try { return await navigator.mediaDevices.getUserMedia({ audio }); } catch { /* then perhaps a picture */ }
        try { return await navigator.mediaDevices.getUserMedia({ video }); } catch { throw first; }
    }
}

/** Asks for a screen, a window or a tab, with its sound where the browser can. */
export function openScreen() {
    return navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 15, max: 30 } }, audio: true });
}

/** A colour for a name: the same everywhere, dark enough for a white flash to stand out. */
export function colourOf(name) {
    let hash = 0;
    for (const character of name) hash = (hash * 31 + character.codePointAt(0)) % 360;
    return `hsl(${hash} 70% 28%)`;
}

/**
 * A picture and a sound that anybody can check: every 1.04 s both flash and beep for 100 ms, on one clock.
 *
 * Not each second: a flash would lie at the same place between two frames of a program of 30 frames a second, for minutes.
 * The clock is the AudioContext's: the beep is scheduled on it, and the picture is drawn by what it says.
 */
export class TestSource {
    static onMs = 100;
    static period = 1.04;
    #canvas; #context; #timers = []; #name;

    constructor(name) {
        this.#name = name;
        this.#canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
        this.#context = new AudioContext({ sampleRate: 48_000 });
        this.stream = new MediaStream([...this.#canvas.captureStream(30).getTracks(), this.#beep()]);
        this.#timers.push(setInterval(() => this.#draw(), 1000 / 30));
        this.#draw();
    }

    set name(name) { this.#name = name; }

    /** Browsers let sound begin only after a click or a key. */
    resume() { return this.#context.resume(); }

    stop() {
        for (const timer of this.#timers) clearInterval(timer);
        for (const track of this.stream.getTracks()) track.stop();
        this.#context.close();
    }

    #beep() {
        const context = this.#context;
        const oscillator = new OscillatorNode(context, { frequency: 1000 });
        const gain = new GainNode(context, { gain: 0 });
        const output = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
        oscillator.connect(gain).connect(output);
        oscillator.start();
        let next = 1;
        const schedule = () => {
            // Seconds ahead, so that a busy page beeps on time all the same.
            next = Math.max(next, Math.ceil(context.currentTime / TestSource.period));
            for (; next * TestSource.period < context.currentTime + 3; next++) {
                const begin = next * TestSource.period;
                gain.gain.setValueAtTime(0.5, begin);
                gain.gain.setValueAtTime(0, begin + TestSource.onMs / 1000);
            }
        };
        schedule();
        this.#timers.push(setInterval(schedule, 500));
        return output.stream.getAudioTracks()[0];
    }

    #draw() {
        const { width, height } = this.#canvas;
        const pen = this.#canvas.getContext("2d", { alpha: false });
        const isRunning = this.#context.state === "running";
        const time = isRunning ? this.#context.currentTime : performance.now() / 1000;
        const isOn = isRunning && time >= TestSource.period && (time % TestSource.period) * 1000 < TestSource.onMs;
        pen.fillStyle = isOn ? "#fff" : colourOf(this.#name);
        pen.fillRect(0, 0, width, height);
        pen.fillStyle = isOn ? "#222" : "#ffd166";
        pen.beginPath();
        const turn = time * 1.5;
        pen.arc(width * (0.5 + 0.32 * Math.cos(turn)), height * (0.6 + 0.2 * Math.sin(2 * turn)), height * 0.16, 0, 7);
        pen.fill();
        pen.fillStyle = isOn ? "#222" : "#fff";
        pen.font = `600 ${Math.round(height / 11)}px system-ui, sans-serif`;
        pen.textAlign = "center";
        pen.fillText(this.#name, width / 2, height * 0.16, width * 0.9);
        pen.font = `${Math.round(height / 16)}px ui-monospace, monospace`;
        pen.fillText(time.toFixed(2), width / 2, height * 0.26);
    }
}
