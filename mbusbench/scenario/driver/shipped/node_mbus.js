// node-mbus: `node node_mbus.js ACTION REPEAT INTERVAL NEW_ADDRESS timeout=MS tcp HOST PORT TARGET...`, or
// `... serial DEVICE BAUD TARGET...`. Without milliseconds libmbus waits as long as it does by itself.
// One line of JSON for each target and turn: what getData gives, or {"error"}. NODE_PATH says where node-mbus is.
'use strict';
const MbusMaster = require('node-mbus');

const [action, repeat, interval, newAddress, timeout, kind, where, number, ...targets] = process.argv.slice(2);
const options = kind === 'tcp'
    ? {host: where, port: Number(number), timeout: Number(timeout.slice('timeout='.length)), autoConnect: true}
    : {serialPort: where, serialBaudRate: Number(number), autoConnect: true};
const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

async function treat(master, target) {
    if (action === 'set-address') {
        await master.setPrimaryIdAsync(target.length === 16 ? target : Number(target), Number(newAddress));
        return {};
    }
    const data = await master.getDataAsync(target.length === 16 ? target : Number(target));
    return {data};
}

async function main() {
    const master = new MbusMaster(options);
    let failed = false;
    if (action === 'search') {
        for (const secondary of await master.scanSecondaryAsync()) {
            console.log(JSON.stringify({secondary: String(secondary)}));
        }
    }
    for (let turn = 0; turn < Number(repeat); turn++) {
        if (turn) await sleep(Number(interval));
        for (const target of targets) {
            const place = target.length === 16 ? {secondary: target} : {address: Number(target)};
            try {
                console.log(JSON.stringify({...place, ...await treat(master, target)}));
            } catch (error) {
                failed = true;
                console.log(JSON.stringify({...place, error: String(error)}));
            }
        }
    }
    await master.closeAsync();
    process.exitCode = failed ? 1 : 0;
}

main().catch((error) => {
    console.error(String(error));
    process.exitCode = 1;
});
